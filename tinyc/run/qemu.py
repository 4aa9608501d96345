"""QEMU's system emulation, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError
from . import Trace, collect

if TYPE_CHECKING:
    from ..build import Image

TIMEOUT_S = 1200


def run(image: Image, inputs: np.ndarray) -> Trace:
    """See `tinyc.run.run`. QEMU counts nothing here: instructions and cycles are None."""
    program = shutil.which("qemu-system-arm")
    if program is None:
        raise CompileError(
            "E704", "qemu-system-arm", "is not on PATH", "apt-get install qemu-system-arm"
        )
    if image.board.qemu is None:
        raise CompileError(
            "E207", image.board.name, "QEMU has no machine for this board",
            "--emulator unicorn, or one of the mps2 boards",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        (folder / "tinyc.in").write_bytes(inputs.tobytes())
        command = [
            program, "-M", image.board.qemu, "-nographic", "-monitor", "none", "-serial", "null",
            "-semihosting-config", "enable=on,target=native", "-kernel", str(image.elf.resolve()),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise CompileError("E803", image.name, f"did not end within {TIMEOUT_S} s") from None
        console = done.stdout + done.stderr
        written = folder / "tinyc.out"
        raw = written.read_bytes() if written.exists() else b""
    outputs, stack = collect(console, raw, len(inputs), image.name)
    return Trace("qemu", outputs, console, None, None, "not counted (qemu)", stack)
