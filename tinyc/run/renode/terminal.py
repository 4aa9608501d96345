"""The UART of a board in Renode as a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
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
from typing import TYPE_CHECKING

from .emulator import START_S, server, tool
from .project import attach, description

if TYPE_CHECKING:
    from ...image.build import Image
    from ...target.boards import Pace

_STOP_S = 20


@contextmanager
def serve(image: Image) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """See `tinyc.run.Emulator.serve`. Raises CompileError E707 (there is no Renode), E802 (it ended
    before the block did), E803 (it did not answer)."""
    program = tool()
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        (folder / "board.repl").write_text(description(image.board))
        shutil.copyfile(image.elf, folder / "serial.elf")
        with server(program, folder, image, int(START_S)) as keywords:
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
        relay.join(_STOP_S)
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
