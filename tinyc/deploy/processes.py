"""The commands of tools, run: flashing, GDB servers, and GDB on the terminal."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import CompileError
from ..target.boards import Debug
from .tools import Command, Tool

_PATIENCE_S = 5.0  # for a tool to end once it has been asked to


def run(tool: Tool, commands: Sequence[Command], debug: Debug) -> None:
    """Run them one after the other, their output on stderr. Raises CompileError E810 at the
    first that fails."""
    for command in commands:
        _Running(command).end(tool, debug)


def serve(tool: Tool, command: Command, debug: Debug) -> None:
    """Run a GDB server until it ends or Ctrl-C is pressed. Raises CompileError E810 if it
    fails."""
    with contextlib.suppress(KeyboardInterrupt):
        _Running(command).end(tool, debug)


def session(tool: Tool, server: Command, gdb: Command, debug: Debug) -> None:
    """Run a GDB server, and GDB on the terminal until the user leaves it; then end the server.

    Raises CompileError E810 if the server fails, which ends GDB too.
    """
    with _ctrl_c_is_for_gdb():
        running = _Running(server, apart=True)
        try:
            # GDB tries for 15 s to connect, by default, which is time for the server to start.
            client = subprocess.Popen(gdb)
            try:
                while client.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        client.wait(0.2)
                    if client.poll() is None and running.process.poll():
                        running.end(tool, debug)
            finally:
                _stop(client)
        finally:
            _stop(running.process)


@contextlib.contextmanager
def _ctrl_c_is_for_gdb() -> Iterator[None]:
    """A handler, unlike SIG_IGN, is not handed on to a program that is started."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Running:
    """A program whose output goes to stderr as it comes, through a terminal of its own where
    stderr is one, so that it shows its progress; the last of it is kept.

    apart: it gets no keys and no Ctrl-C.
    """

    def __init__(self, command: Command, apart: bool = False) -> None:
        self.program = command[0]
        output, theirs = os.pipe() if apart or not sys.stderr.isatty() else _terminal()
        try:
            self.process = subprocess.Popen(
                command, stdout=theirs, stderr=theirs, start_new_session=apart,
                stdin=subprocess.DEVNULL if apart else None,
            )  # fmt: skip
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        self._tail = ""
        self._copying = threading.Thread(target=self._copy, args=(output,), daemon=True)
        self._copying.start()

    def _copy(self, output: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with contextlib.suppress(OSError), open(output, "rb", buffering=0) as file:
            # A terminal ends with EIO, a pipe with nothing.
            while chunk := file.read(4096):
                text = decoder.decode(chunk)
                sys.stderr.write(text)
                sys.stderr.flush()
                self._tail = (self._tail + text)[-4096:]

    def end(self, tool: Tool, debug: Debug) -> None:
        """Wait for it. Raises CompileError E810 if it fails."""
        try:
            status = self.process.wait()
        except KeyboardInterrupt:
            # Ctrl-C at a terminal reached it as well.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE_S)
            raise
        finally:
            _stop(self.process)
            self._copying.join(_PATIENCE_S)
        if status:
            program = Path(self.program).name
            what = f"ended with status {status}"
            last = self._last_word()
            raise CompileError(
                "E810", program, f"{what}: {last}" if last else what, tool.hint(debug)
            )

    def _last_word(self) -> str:
        """Its last line that tells of an error, or its last line."""
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._tail)
        lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
        errors = [line for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)]
        return (errors or lines or [""])[-1]


def _terminal() -> tuple[int, int]:
    """Both ends of a terminal as wide as that of stderr."""
    import termios

    ours, theirs = os.openpty()
    with contextlib.suppress(OSError):
        termios.tcsetwinsize(theirs, termios.tcgetwinsize(sys.stderr.fileno()))
    return ours, theirs
