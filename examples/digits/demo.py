"""The demo: train a network of numbers and one of signs, compile both, run them on emulated
boards, and print them side by side."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RECIPES = ("digits-int8", "digits-bnn")
BOARDS = ("stm32f4_discovery", "mps2_an385", "nucleo_g0b1re")  # Cortex-M4, M3, M0+


def tinyc(*arguments: str) -> dict[str, Any]:
    """Run tinyc and return the JSON object that it prints; its messages pass through."""
    command = [sys.executable, "-m", "tinyc.cli", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", action="append", help="repeat for several [an M4, M3, M0+]")
    parser.add_argument("--output-dir", default="build")
    options = parser.parse_args()
    place = ["--output-dir", options.output_dir]

    trained = []
    for recipe in RECIPES:
        print(f"training {recipe}", file=sys.stderr)
        trained.append(tinyc("train", recipe, *place, "--fresh", "--quiet"))
    folders = [Path(options.output_dir) / "train" / recipe for recipe in RECIPES]
    models = [str(f / f"{f.name}.tflite") for f in folders]
    data = ["--data", str(folders[0] / "test.npz")]
    calibration = ["--calibrate", str(folders[1] / "calibration.npz")]
    compared = [
        tinyc("compare", *models, "--board", board, *data, *calibration, *place)
        for board in options.board or BOARDS
    ]

    table = Table(title="handwritten digits, int8 and binarized", title_justify="left")
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
    sources = dict.fromkeys(board["cycles_source"] for board in compared)
    scores = ", ".join(f"{t['recipe']} {t['accuracy']:.2%}" for t in trained)
    console.print(
        f"Trained just now; the files score {scores} on {first['samples']} held-out digits by "
        f"TFLite's and Larq Compute Engine's interpreters.\nAccuracy in the table: the same "
        f"digits on the emulated board ({first['emulator']}), every output equal to the "
        f"reference's.\nFlash and RAM in bytes, of the linked ELF and with the stack; "
        f"{'; '.join(sources)}."
    )


if __name__ == "__main__":
    main()
