"""QEMU's system emulation, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CompileError
from . import Trace, collect, time_limit
from .native import shared_library

if TYPE_CHECKING:
    from ..build import Image


def run(image: Image, inputs: np.ndarray) -> Trace:
    """See `tinyc.run.run`. Instructions are counted where QEMU takes plugins (Debian's does)
    and a C compiler is there; cycles are not."""
    program = shutil.which("qemu-system-arm")
    if program is None:
        raise CompileError(
            "E704", "qemu-system-arm", "is not on PATH",
            "apt-get install qemu-system-arm, or --emulator unicorn",
        )  # fmt: skip
    if image.board.qemu is None:
        from ..boards import all_boards

        others = ", ".join(b.name for b in all_boards() if b.qemu)
        raise CompileError(
            "E207", image.board.name, "QEMU has no machine for this board",
            f"--emulator unicorn, or one of {others}",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        (folder / "tinyc.in").write_bytes(inputs.tobytes())
        command = [
            program, "-M", image.board.qemu, "-nographic", "-monitor", "none", "-serial", "null",
            "-semihosting-config", "enable=on,target=native", "-kernel", str(image.elf.resolve()),
        ]  # fmt: skip
        # A plugin slows QEMU down: the first sample is counted by itself.
        instructions = _instructions(command, image, inputs[:1])
        console = _call(command, image, folder, time_limit(len(inputs)))
        written = folder / "tinyc.out"
        raw = written.read_bytes() if written.exists() else b""
    outputs, stack = collect(console, raw, len(inputs), image.name)
    return Trace("qemu", outputs, console, instructions, None, "not counted (qemu)", stack)


def _call(command: list[str], image: Image, folder: Path, seconds: int) -> str:
    """What the firmware prints; semihosting opens its files in ``folder``."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace",
            timeout=seconds, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CompileError("E803", image.name, f"did not end within {seconds} s") from None
    return done.stdout + done.stderr


def _instructions(command: list[str], image: Image, first: np.ndarray) -> int | None:
    """Instructions of one inference of ``first``; None where plugins do not work."""
    try:
        plugin = shared_library(Path(__file__).with_name("qemucount.c"))
    except CompileError:
        return None
    entry, _ = image.symbols[f"{image.name}_run"]
    low, size = image.symbols["main"]
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        (folder / "tinyc.in").write_bytes(first.tobytes())
        arguments = {"entry": entry & ~1, "low": low & ~1, "high": (low & ~1) + size}
        options = ",".join(f"{key}={value}" for key, value in arguments.items())
        _call(
            [*command, "-plugin", f"{plugin},{options},path=count"],
            image, folder, time_limit(10),
        )  # fmt: skip
        count = folder / "count"
        return int(count.read_text()) if count.exists() else None
