"""An emulated board's UART as a pseudo-terminal, for MLCommons' runner or a person's terminal."""

from __future__ import annotations

import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CompileError
from .qemu import command

if TYPE_CHECKING:
    from ..build import Image

_START_S = 20


@contextmanager
def serve(
    image: Image, emulator: str, link: Path | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The terminal's path and the emulator that runs ``image``, which ends with the block.

    link: a symbolic link to the terminal, there as long. Raises CompileError E206 (an emulator
    that cannot), E207 and E704 (see `tinyc.run.qemu.command`), E802 (no terminal came), E807
    (``link`` is there already).
    """
    if emulator != "qemu":
        raise CompileError(
            "E206", f"emulator {emulator!r}", "offers no terminal", "--emulator qemu"
        )
    machine = command(image.board, image.elf, "pty")
    if link is not None and (link.exists() or link.is_symlink()):
        raise CompileError("E807", str(link), "is there already", "remove it, or name another")
    with subprocess.Popen(
        machine, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        try:
            terminal = _terminal(process)
            if link is not None:
                link.symlink_to(terminal)
            yield terminal, process
        finally:
            process.kill()
            if link is not None and link.is_symlink():
                link.unlink()


def _terminal(process: subprocess.Popen[str]) -> str:
    """The path that QEMU names on its first line (chardev/char-pty.c)."""
    assert process.stdout is not None
    end = time.monotonic() + _START_S
    said = ""
    while select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
        line = process.stdout.readline()
        if not line:
            break
        if match := re.search(r"redirected to (\S+)", line):
            return match[1]
        said = line.strip()
    raise CompileError("E802", "qemu-system-arm", f"offers no terminal: {said or 'no word'}")
