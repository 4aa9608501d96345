"""An emulated board's UART as a pseudo-terminal, for MLCommons' runner or a person's terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CompileError
from . import qemu
from .renode import emulator as renode
from .renode.project import attach, description

if TYPE_CHECKING:
    from ..image.build import Image
    from ..target.boards import Board, Pace

EMULATORS = {"qemu": "QEMU", "renode": "Renode"}
"""Those that offer a terminal, by the names of the fields of `Board` that tell whether they have
it, and as they are written."""
_START_S = 20


def choose(board: Board, emulator: str | None = None) -> str:
    """The emulator that offers ``board``'s UART: the one asked for, or the first that has the
    board. Raises CompileError E206 (it offers no terminal), E207 (it does not have the board),
    E241 (its UART hears nothing)."""
    if emulator is not None and emulator not in EMULATORS:
        raise CompileError(
            "E206", f"emulator {emulator!r}", "offers no terminal",
            " or ".join(f"--emulator {name}" for name in EMULATORS),
        )  # fmt: skip
    names = [emulator] if emulator else list(EMULATORS)
    for name in names:
        if _offers(board, name):
            return name
    from ..target.boards import all_boards

    asked = " or ".join(EMULATORS[name] for name in names)
    other = [f"--emulator {name}" for name in EMULATORS if _offers(board, name)]
    others = [b.name for b in all_boards() if any(_offers(b, name) for name in names)]
    hint = ", or ".join([*other, f"one of {', '.join(others)}"])
    if deaf := [EMULATORS[name] for name in names if getattr(board, name) is not None]:
        what = f"cannot be spoken to in {' or '.join(deaf)}, whose UART tells of no byte received"
        raise CompileError("E241", board.name, what, hint)
    raise CompileError("E207", board.name, f"is not a board of {asked}", hint)


def _offers(board: Board, emulator: str) -> bool:
    """Whether the emulator has the board, and a UART that one can speak to."""
    facts = getattr(board, emulator)
    return facts is not None and getattr(facts, "receives", True)


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
    emulated = {"qemu": _qemu, "renode": _renode}[choose(image.board, emulator)]
    if link is not None and (link.exists() or link.is_symlink()):
        raise CompileError("E807", str(link), "is there already", "remove it, or name another")
    with emulated(image) as (terminal, process):
        try:
            if link is not None:
                link.symlink_to(terminal)
            yield terminal, process
        finally:
            if link is not None and link.is_symlink():
                link.unlink()


@contextmanager
def _qemu(image: Image) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with subprocess.Popen(
        qemu.command(image.board, image.elf, "pty"), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield _terminal(process), process
            if process.poll() is not None:
                raise CompileError(
                    "E802", "qemu-system-arm", f"ended with status {process.returncode}"
                )
        finally:
            process.kill()


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


@contextmanager
def _renode(image: Image) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    program = renode.tool()
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        (folder / "board.repl").write_text(description(image.board))
        shutil.copyfile(image.elf, folder / "serial.elf")
        with renode.server(program, folder, image, int(renode.START_S)) as keywords:
            keywords.execute(*attach(image.board, f"{folder}/"))
            terminal = os.readlink(folder / "terminal")
            _make_raw(terminal)
            pace = image.board.renode.pace if image.board.renode else None
            with _paced(terminal, pace) if pace else contextlib.nullcontext(terminal) as offered:
                keywords("StartEmulation")
                yield offered, keywords.process


@contextmanager
def _paced(terminal: str, pace: Pace) -> Iterator[str]:
    """Another terminal, from which ``terminal`` gets no more at once than its UART can hold."""
    outer, end = os.openpty()
    inner = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    stopped, stop = os.pipe()
    tty.setraw(end)
    os.set_blocking(outer, False)
    relay = threading.Thread(target=_relay, args=(outer, inner, stopped, pace), daemon=True)
    relay.start()
    try:
        yield os.ttyname(end)
    finally:
        os.close(stop)
        relay.join(_START_S)
        for file in (outer, end, inner, stopped):
            os.close(file)


def _relay(outer: int, inner: int, stopped: int, pace: Pace) -> None:
    """Until the other end of ``stopped`` is closed, or one of the terminals is."""
    said = b""
    with contextlib.suppress(OSError):
        while True:
            sources = [outer, stopped] if said else [outer, stopped, inner]
            ready, free, _ = select.select(sources, [outer] if said else [], [])
            if stopped in ready:
                return
            if outer in ready:
                os.write(inner, os.read(outer, pace.bytes))
                time.sleep(pace.ms / 1000)
            if inner in ready:
                said = os.read(inner, 4096)
            elif free:
                said = said[os.write(outer, said) :]


def _make_raw(terminal: str) -> None:
    """Renode takes a new terminal's modes from its standard input (PtyUnixStream.cs), which is none
    here: they are by chance."""
    file = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(file)
    finally:
        os.close(file)
