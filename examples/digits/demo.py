"""The demo: train a network of numbers and one of signs, compile both, run them on emulated
boards, and print them side by side."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tinyc.frontends.packages import LARQ, remedy

BINARIZED = "digits-bnn"
RECIPES = ("digits-int8", BINARIZED)
BOARDS = ("stm32f4_discovery", "mps2_an385", "nucleo_g0b1re")  # Cortex-M4, M3, M0+


def tinyc(*arguments: str) -> dict[str, Any]:
    """Run tinyc and return the JSON object that it prints; its messages pass through."""
    command = [sys.executable, "-m", "tinyc.cli", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def cycles_sources(compared: Sequence[dict[str, Any]]) -> str:
    """Where the cycles of every board are from: what is said of each core, once."""
    return "; ".join(dict.fromkeys(board["cycles_source"] for board in compared))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", action="append", help="repeat for several [an M4, M3, M0+]")
    parser.add_argument("--output-dir", default="build")
    options = parser.parse_args()
    place = ["--output-dir", options.output_dir]

    recipes = RECIPES
    missing = [module for module in LARQ if find_spec(module) is None]
    if missing:
        recipes = tuple(recipe for recipe in RECIPES if recipe != BINARIZED)
        print(f"without the binarized half, which needs larq: {remedy(missing)}", file=sys.stderr)
    trained = []
    for recipe in recipes:
        print(f"training {recipe}", file=sys.stderr)
        trained.append(tinyc("train", recipe, *place, "--fresh", "--quiet"))
    folders = [Path(options.output_dir) / "train" / recipe for recipe in recipes]
    models = [str(f / f"{f.name}.tflite") for f in folders]
    data = ["--data", str(folders[0] / "test.npz")]
    calibration = ["--calibrate", str(folders[-1] / "calibration.npz")]
    compared = [
        tinyc("compare", *models, "--board", board, *data, *calibration, *place)
        for board in options.board or BOARDS
    ]

    kinds = "int8" if missing else "int8 and binarized"
    table = Table(title=f"handwritten digits, {kinds}", title_justify="left")
    for column in ("core", "network", "accuracy", "MACs", "flash", "RAM", "cycles", "time"):
        table.add_column(column, justify="left" if column in ("core", "network") else "right")
    for board in compared:
        for model in board["models"]:
            binary, numbers = model["binary_macs"], model["macs"]
            table.add_row(
                board["core"],
                model["model"],
                f"{model['accuracy']:.2%}",
                f"{numbers:,} int8" + (f" + {binary:,} binary" if binary else ""),
                f"{model['flash_bytes']:,}",
                f"{model['ram_bytes']:,}",
                f"{model['cycles']:,}",
                f"{model['milliseconds']:.2f} ms",
            )
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    first = compared[0]
    scores = ", ".join(f"{t['recipe']} {t['accuracy']:.2%}" for t in trained)
    interpreters = "TFLite's and Larq Compute Engine's interpreters"
    if missing:
        interpreters = "TFLite's interpreter"
    console.print(
        f"Trained just now; the files score {scores} on {first['samples']} held-out digits by "
        f"{interpreters}.\nAccuracy in the table: the same "
        f"digits on the emulated board ({first['emulator']}), every output equal to the "
        f"reference's.\nFlash and RAM in bytes, of the linked ELF and with the stack; "
        f"{cycles_sources(compared)}."
    )


if __name__ == "__main__":
    main()
