"""The demo: train, compile, run on an emulated board, and print what came of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent


def output(*command: str) -> dict[str, Any]:
    """Run a program and return the JSON object that it prints; its messages pass through."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="stm32")
    parser.add_argument("--output-dir", default="build")
    options = parser.parse_args()
    folder = Path(options.output_dir) / "digits"
    model, data = str(folder / "digits.tflite"), str(folder / "digits.npz")
    common = [model, "--board", options.board, "--output-dir", options.output_dir, "--json"]

    trained = output(sys.executable, str(HERE / "train.py"), "--output-dir", str(folder))
    tinyc = [sys.executable, "-m", "tinyc.cli"]
    built = output(*tinyc, "build", *common)
    tested = output(*tinyc, "test", *common, "--data", data)

    table = Table(title=f"digits on {built['board']} ({built['core']})", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("source")
    held_out, emulator = f"{trained['held_out']} held-out digits", tested["emulator"]
    for what, value, source in (
        ("accuracy, Keras, float32", f"{trained['keras_accuracy']:.2%}", held_out),
        ("accuracy, quantized, TFLite", f"{trained['tflite_accuracy']:.2%}", held_out),
        (
            "accuracy, emulated board", f"{tested['accuracy']:.2%}",
            f"{tested['samples']} digits in {emulator}, {tested['mismatches']} mismatches",
        ),
        ("flash", f"{built['flash_bytes']:,} bytes", "linked ELF"),
        ("RAM", f"{built['ram_bytes']:,} bytes", "linked ELF and stack"),
        ("instructions", f"{tested['instructions']:,}", f"one inference, {emulator}"),
        ("cycles", f"{tested['cycles']:,}", tested["cycles_source"]),
        ("time", f"{tested['milliseconds']:.3f} ms", f"at {tested['clock_hz'] / 1e6:g} MHz"),
    ):  # fmt: skip
        table.add_row(what, value, source)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
