"""``tinyc boards calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import completion
from .call import Call
from .options import verb
from .printing import print_json, print_table, progress


@verb("as_json verbose quiet")
def calibrate(
    call: Call,
    points: Annotated[
        str,
        typer.Argument(
            help="A .toml of measured images: boards/silicon/.",
            autocompletion=completion.files(".toml"),
        ),
    ],
) -> None:
    """Fit what a board's flash costs to images that were measured on silicon."""
    from ..target.boards import load_board
    from ..tuning import silicon

    path = Path(points)
    known = silicon.read(path)
    found = []
    with progress("running images", len(known.points)) as advance:
        for point in silicon.counted(path, known):
            found.append(point)
            advance()
    result = silicon.fit(found, known.terms, load_board(known.board), known.expected)
    if call.as_json:
        print_json("calibrate", {**result, "source": known.source})
        return
    rows = [["board", result["board"]], ["source", known.source]]
    rows += [[f"{term}, cycles", f"{value:.3f}"] for term, value in result["charges"].items()]
    for term, (value, give_or_take) in known.expected.items():
        rows.append([f"{term}, expected", f"{value:g}, give or take {give_or_take:g}"])
    kinds = {
        "": "error",
        "left_out_": "error of points left out",
        "left_out_model_": "error of networks left out",
    }
    for key, what in kinds.items():
        rms, largest = result[f"{key}rms_percent"], result[f"{key}largest_percent"]
        rows.append([what, f"rms {rms:.2f} %, at most {largest:.2f} %"])
    print_table(["what", "value"], rows)
    heading = ["point", "measured", "modelled", "error", "left out"]
    print_table(
        heading,
        [
            [
                point["name"],
                f"{point['measured_cycles']:,}",
                f"{point['modelled_cycles']:,}",
                f"{point['error_percent']:+.2f} %",
                f"{point['left_out_error_percent']:+.2f} %",
            ]
            for point in result["points"]
        ],
    )
