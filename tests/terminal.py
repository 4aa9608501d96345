"""`tinyc serve`, and whoever is at its terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinyc.ir import interpret
from tinyc.pipeline import compile_model
from tinyc.target.boards import load_board


class Terminal:
    """The host's side, as MLCommons' runner has it: a command, then lines until m-ready."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.file)
        # What the firmware said when it started may still come.
        while select.select([self.file], [], [], 1.5)[0]:
            os.read(self.file, 4096)

    def command(self, text: str) -> list[str]:
        os.write(self.file, f"{text}%".encode())
        answer, end = b"", time.monotonic() + 20
        while not answer.endswith(b"m-ready\r\n"):
            assert time.monotonic() < end, answer
            if select.select([self.file], [], [], 0.2)[0]:
                answer += os.read(self.file, 4096)
        return answer.decode().split()[:-1] if text == "timestamp" else answer.decode().splitlines()

    def load(self, data: bytes) -> list[str]:
        """In pieces of 31 bytes, as the runner sends them."""
        self.command(f"db load {len(data)}")
        pieces = (data[i : i + 31] for i in range(0, len(data), 31))
        return [self.command(f"db {piece.hex()}") for piece in pieces][-1]


@contextmanager
def served(*arguments: str | Path, end: signal.Signals = signal.SIGTERM) -> Iterator[Terminal]:
    """`tinyc serve` with these arguments until the signal ``end``, and the terminal that it
    names."""
    command = [sys.executable, "-m", "tinyc.cli", "serve", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            path = process.stdout.readline().strip()
            assert path.startswith("/dev/"), path
            terminal = Terminal(path)
            yield terminal
            os.close(terminal.file)
        finally:
            process.send_signal(end)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.terminate()
                raise


def check_inference(terminal: Terminal, model: Path) -> None:
    """One of `tiny_model`: its outputs are the reference's, its results the same as numbers."""
    graph = compile_model(model, load_board("stm32f4_discovery")).graph
    x = np.random.default_rng(2).integers(-128, 128, (1, 4, 4, 2), np.int8)
    terminal.load(x.tobytes())
    terminal.command("infer 1 0")
    found = interpret(graph, [x])[graph.outputs[0]]
    assert terminal.command("outputs")[0] == f"m-outputs-[{found.tobytes().hex()}]"
    type = graph.outputs[0].type
    reals = np.float32(type.scale) * (found.astype(np.float32) - type.zero_point)
    told = terminal.command("results")[0].removeprefix("m-results-[").rstrip("]").split(",")
    assert all(re.fullmatch(r"-?\d+\.\d{3}", number) for number in told)
    np.testing.assert_allclose([float(n) for n in told], reals.ravel(), atol=0.00051)
