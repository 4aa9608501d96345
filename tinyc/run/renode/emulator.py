"""Renode, where it is installed: the firmware from reset, its samples in memory.

Renode is spoken to by the protocol of its own test runner: Robot Framework's remote libraries,
calls of keywords in XML-RPC.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import CompileError
from ...image.mailbox import Batch
from ...ir import Array
from .. import Trace, console_number, time_limit
from .project import END, MARK, count, description, escaped, load, uart
from .tool import REMEDY, find_renode

if TYPE_CHECKING:
    from ...image.build import Image
    from ...target.boards import Board

START_S = 60.0
"""Seconds within which Renode has to answer; it takes 2 to 5."""


def run(image: Image, inputs: Array, layers: Sequence[str] = ()) -> Trace:
    """See `tinyc.run.run`. Instructions are counted; cycles are not, since Renode has none."""
    board = image.board
    program = tool()
    batch = Batch(inputs)
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        folder = Path(name)
        size = image.c_library.output_bytes
        (folder / "board.repl").write_text(description(board, batch, size))
        (folder / "inputs.bin").write_bytes(batch.pack())
        shutil.copyfile(image.elf, folder / "test.elf")
        with server(program, folder, image, time_limit(len(inputs))) as keywords:
            console, raw = _outputs(keywords, board, image, folder, size * len(inputs))
            instructions = _instructions(keywords, board, image)
    outputs = np.frombuffer(raw, np.uint8).reshape(len(inputs), size)
    stack = console_number(console, "stack")
    return Trace("renode", outputs, console, instructions, None, "not counted (renode)", stack)


def tool() -> Path:
    """Renode's program. Raises CompileError E707 (there is none, or an old one)."""
    found = find_renode()
    if found is None:
        raise CompileError("E707", "renode", "is not installed", REMEDY)
    if found.problem:
        raise CompileError("E707", str(found.path), found.problem, REMEDY)
    return found.path


def _outputs(
    keywords: Keywords, board: Board, image: Image, folder: Path, size: int
) -> tuple[str, bytes]:
    """(console, outbox) of a run of all samples."""
    text, dump = folder / "console.txt", folder / "outputs.bin"
    backend = f"{uart(board)} CreateFileBackend @{escaped(str(text))} true"
    keywords.execute(*load(board, escaped(f"{folder}/")), backend)
    keywords("CreateTerminalTester", uart(board), f"timeout={keywords.seconds}")
    keywords("StartEmulation")
    keywords.wait("WaitForLineOnUart", END.replace("verdict", "stack"), "treatAsRegex=true")
    keywords.execute("pause", f"sysbus.outbox DumpBinary @{escaped(str(dump))} 0 {size}")
    console = text.read_bytes().decode("ascii", "replace")
    lines = [line for line in console.splitlines() if line.startswith(("verdict: ", "fault: "))]
    said = lines[-1] if lines else "no word"
    samples = int.from_bytes((folder / "inputs.bin").read_bytes()[:4], "little")
    raw = dump.read_bytes() if dump.exists() else b""
    if not said.startswith(f"verdict: {samples} samples, ") or len(raw) != size:
        raise CompileError("E802", image.name, f"the firmware in Renode: {said}")
    return console, raw


def _instructions(keywords: Keywords, board: Board, image: Image) -> int:
    """Instructions of the first sample's inference, in a machine of its own: counting is slow."""
    keywords("ResetEmulation")
    keywords.execute(*load(board, escaped(f"{keywords.folder}/")), *count(board, image.name))
    keywords("CreateLogTester", str(keywords.seconds))
    keywords("StartEmulation")
    found = {}
    for place in ("begin", "end"):
        pattern = rf"{MARK} {place} (\d+)"
        entry = str(keywords.wait("WaitForLogEntry", pattern, "treatAsRegex=true"))
        match = re.search(pattern, entry)
        if match is None:
            raise CompileError("E802", image.name, f"Renode's log has no count: {entry[:100]}")
        found[place] = int(match[1])
    keywords.execute("pause")
    # The last one calls the marker, and is not the inference's.
    return found["end"] - found["begin"] - 1


class _Transport(xmlrpc.client.Transport):
    """HTTP that does not wait for ever."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = super().make_connection(host)
        connection.timeout = self._seconds
        return connection


class Keywords:
    """The keywords of a running Renode, ``process``. Raises CompileError E802 (one fails, or Renode
    ends), E803 (no answer within ``seconds``)."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, folder: Path, origin: str, seconds: int
    ) -> None:
        self.process, self.folder, self.seconds = process, folder, seconds
        self._origin = origin
        self._server = xmlrpc.client.ServerProxy(
            f"http://127.0.0.1:{port}", transport=_Transport(seconds)
        )

    def __call__(self, keyword: str, *arguments: str) -> Any:
        """Run one; returns what it does."""
        try:
            answer: Any = self._server.run_keyword(keyword, list(arguments))
        except TimeoutError:
            raise self._late() from None
        except (xmlrpc.client.Error, http.client.HTTPException, OSError) as error:
            raise CompileError(
                "E802", self._origin, f"Renode ended or does not know {keyword}: {error}"
            ) from None
        if answer.get("status") != "PASS":
            said = " ".join(str(answer.get("error", "no word")).split())
            raise CompileError("E802", self._origin, f"Renode at {keyword}: {said}")
        return answer.get("return")

    def execute(self, *commands: str) -> None:
        """Commands of the monitor."""
        for command in commands:
            self("ExecuteCommand", command)

    def wait(self, keyword: str, *arguments: str) -> Any:
        """Run one that fails if what it waits for does not come in time."""
        try:
            return self(keyword, *arguments)
        except CompileError as error:
            if " tester failed" in error.what or "did not appear" in error.what:
                raise self._late() from None
            raise

    def _late(self) -> CompileError:
        return CompileError("E803", self._origin, f"did not end within {self.seconds} s")


@contextlib.contextmanager
def server(program: Path, folder: Path, image: Image, seconds: int) -> Iterator[Keywords]:
    """A running Renode that serves keywords, at an end afterwards; what it keeps besides lies in
    ``folder``/tmp, since it deletes whatever of its kind it finds where others may run. Raises
    CompileError E802 if it ends by itself, E803 if it does not answer; see also `Keywords`."""
    command = [str(program), "--disable-gui", "--hide-log", "--robot-server-port", "0"]
    log, own = folder / "renode.log", folder / "tmp"
    own.mkdir()
    # A group of its own: the program may be a script around the one that runs.
    with log.open("wb") as file:
        try:
            process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "TMPDIR": str(own)},
            )  # fmt: skip
        except OSError as error:
            raise CompileError("E802", str(program), f"cannot be run: {error.strerror}") from None
    try:
        yield Keywords(process, _port(process, own, log), folder, image.name, seconds)
        if process.poll() is not None:
            raise _ended(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(process: subprocess.Popen[bytes], temporary: Path, log: Path) -> int:
    """The port that Renode chose, once it listens there: it is told in a file then. Renode does not
    survive a connection that comes earlier. Raises CompileError E802 (it ends before), E803 (the
    file does not come)."""
    end = time.monotonic() + START_S
    while True:
        for file in temporary.glob("renode-*/robot_port"):
            with contextlib.suppress(OSError, ValueError):  # it is empty at first
                return int(file.read_text())
        if process.poll() is not None:
            raise _ended(process, log)
        if time.monotonic() > end:
            raise CompileError("E803", "renode", f"gave no answer within {START_S:g} s")
        time.sleep(0.1)


def _ended(process: subprocess.Popen[bytes], log: Path) -> CompileError:
    said = " ".join(log.read_text(errors="replace").split())[-300:]
    what = f"ended with status {process.returncode}: {said or 'no word'}"
    return CompileError("E802", "renode", what)
