"""``tinyc bench``."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import CompileError
from .call import Call
from .options import verb
from .printing import print_json, print_table, progress

app = typer.Typer(help="Measure what tinyc's kernels cost.", no_args_is_help=True)


@app.command()
@verb("as_json verbose quiet")
def kernels(
    call: Call,
    board: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help="Repeat for several [one of each core]."),
    ] = None,
    output: Annotated[str, typer.Option(help="packed, i8 or f32.")] = "packed",
    negative: Annotated[
        float, typer.Option(min=0, max=1, help="The part of the inputs that are -1.")
    ] = 0.5,
) -> None:
    """Cycles of a binary MAC: 3x3 convolutions of 64, 128 and 256 channels, core by core."""
    from .. import report
    from ..tuning import bench

    if output not in ("packed", "i8", "f32"):
        raise CompileError("E201", "--output", f"'{output}' is unknown", "packed, i8 or f32")
    boards = tuple(board) if board else bench.default_boards()
    found = []
    with progress("measuring", len(boards) * len(bench.BINARY_LAYERS)) as advance:
        for entry in bench.binary_kernels(boards, output, negative):
            found.append(entry)
            advance()
    sources = ("toolchain", "cycles_source")
    shared = {"negative_inputs": negative, "toolchain": found[0]["toolchain"]}
    shared |= {"cycles": "modelled, zero wait states"}
    if call.as_json:
        print_json("bench", {**shared, "layers": found})
        return
    print_table(["what", "value"], [[k.replace("_", " "), str(v)] for k, v in shared.items()])
    rows = [{k: v for k, v in entry.items() if k not in sources} for entry in found]
    heading, table = report.layer_table({"layers": rows})
    print_table(heading, table)
