"""An emulated board's UART as a pseudo-terminal, for MLCommons' runner or a person's terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CompileError
from . import Emulator, emulators

if TYPE_CHECKING:
    from ..image.build import Image
    from ..target.boards import Board


def choose(board: Board, emulator: str | None = None) -> str:
    """The emulator that offers ``board``'s UART: the one asked for, or the first that has the
    board. Raises CompileError E206 (it offers no terminal), E207 (it does not have the board),
    E241 (its UART hears nothing)."""
    able = {e.name: e for e in emulators().values() if e.serve is not None}
    if emulator is not None and emulator not in able:
        raise CompileError(
            "E206", f"emulator {emulator!r}", "offers no terminal",
            " or ".join(f"--emulator {name}" for name in able),
        )  # fmt: skip
    asked = [able[emulator]] if emulator else list(able.values())
    for one in asked:
        if _offers(board, one):
            return one.name
    from ..target.boards import all_boards

    other = [f"--emulator {e.name}" for e in able.values() if _offers(board, e)]
    others = [b.name for b in all_boards() if any(_offers(b, e) for e in asked)]
    hint = ", or ".join([*other, f"one of {', '.join(others)}"])
    if deaf := [e.title for e in asked if e.has(board)]:
        what = f"cannot be spoken to in {' or '.join(deaf)}, whose UART tells of no byte received"
        raise CompileError("E241", board.name, what, hint)
    titles = " or ".join(e.title for e in asked)
    raise CompileError("E207", board.name, f"is not a board of {titles}", hint)


def _offers(board: Board, emulator: Emulator) -> bool:
    """Whether the emulator has the board, and a UART that one can speak to."""
    return emulator.has(board) and emulator.receives(board)


@contextmanager
def serve(
    image: Image, emulator: str | None = None, link: Path | None = None
) -> Iterator[tuple[str, subprocess.Popen[Any]]]:
    """The terminal's path and the emulator that runs ``image``, which ends with the block.

    link: a symbolic link to the terminal, there as long. Raises CompileError E206, E207 and E241
    (see `choose`), E704 and E707 (there is no QEMU, or no Renode), E802 (no terminal came, or the
    emulator ended before the block did), E803 (Renode did not answer), E807 (``link`` is there
    already).
    """
    offer = emulators()[choose(image.board, emulator)].serve
    assert offer is not None
    if link is not None and (link.exists() or link.is_symlink()):
        raise CompileError("E807", str(link), "is there already", "remove it, or name another")
    with offer(image) as (terminal, process):
        try:
            if link is not None:
                link.symlink_to(terminal)
            yield terminal, process
        finally:
            if link is not None and link.is_symlink():
                link.unlink()
