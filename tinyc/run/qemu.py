"""QEMU's system emulation, where it is installed: the firmware from reset, over its UART."""

from __future__ import annotations

import os
import re
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CompileError
from ..ir import Array
from ..target.versions import find_program
from . import Emulator, Trace, register, time_limit
from .hearing import hearing
from .native import shared_library
from .protocol import Session

if TYPE_CHECKING:
    from ..image.build import Image
    from ..target.boards import Board

_START_S = 20


def run(image: Image, inputs: Array, layers: Sequence[str] = ()) -> Trace:
    """See `tinyc.run.run`. Instructions are counted where QEMU takes plugins (Debian's does)
    and a C compiler is there; cycles are not."""
    machine = command(image.board, image.elf)
    # A plugin slows QEMU down: the first sample is counted by itself.
    instructions = _instructions(machine, image, inputs[:1])
    with _session(machine, image, time_limit(len(inputs))) as session:
        outputs = session.outputs(list(inputs), image.c_library.states > 0)
        stack = session.stack_bytes()
    return Trace("qemu", outputs, session.console, instructions, None, "not counted (qemu)", stack)


def command(board: Board, elf: Path, serial: str = "stdio") -> list[str]:
    """QEMU's command line for an image on a board, its console on the character device
    ``serial``. Raises CompileError E704 (no QEMU), E207 (no machine for the board)."""
    program = find_program("qemu-system-arm")
    if program is None:
        raise CompileError(
            "E704", "qemu-system-arm", "is not on PATH",
            "apt-get install qemu-system-arm, or --emulator unicorn",
        )  # fmt: skip
    if board.qemu is None:
        from ..target.boards import names_with

        raise CompileError(
            "E207", board.name, "QEMU has no machine for this board",
            f"--emulator unicorn, or one of {names_with('qemu')}",
        )  # fmt: skip
    unused = ["-serial", "null"] * board.qemu.serial
    return [
        program, "-M", board.qemu.machine, "-display", "none", "-monitor", "none", *unused,
        "-serial", serial, "-kernel", str(elf.resolve()),
    ]  # fmt: skip


@contextmanager
def _session(machine: list[str], image: Image, seconds: int) -> Iterator[Session]:
    """A running machine and the conversation with it, both at an end afterwards. Raises
    CompileError E803 if that takes more than ``seconds``."""
    with subprocess.Popen(
        machine, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        end = time.monotonic() + seconds
        output = process.stdout.fileno()

        def receive() -> bytes:
            ready, _, _ = select.select([output], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise CompileError("E803", image.name, f"did not end within {seconds} s")
            return os.read(output, 65536)

        try:
            yield Session(process.stdin.write, receive, image.name)
        except BrokenPipeError:
            raise CompileError("E802", image.name, "QEMU ended before the firmware did") from None
        finally:
            process.kill()


def _instructions(machine: list[str], image: Image, first: Array) -> int | None:
    """Instructions of one inference of ``first``; None where plugins do not work."""
    try:
        plugin = shared_library(Path(__file__).with_name("qemucount.c"))
    except CompileError:
        return None
    places: list[tuple[str, int]] = []
    for key, function in (("", "infer_once"), ("skip", "SysTick_Handler")):
        address, size = image.symbols[function]
        places += [(f"{key}low", address & ~1), (f"{key}high", (address & ~1) + size)]
    places += [("entry", image.symbols[name][0] & ~1) for name in image.c_library.entries]
    with tempfile.TemporaryDirectory(prefix="tinyc-") as name:
        count = Path(name) / "count"
        options = ",".join(f"{key}={value}" for key, value in places)
        counted = [*machine, "-plugin", f"{plugin},{options},path={count}"]
        try:
            with hearing(), _session(counted, image, time_limit(10)) as session:
                session.outputs(list(first), image.c_library.states > 0)
        except CompileError:
            # What is wrong with the firmware is told by the run that is not counted.
            return None
        return int(count.read_text()) if count.exists() else None


@contextmanager
def serve(image: Image) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its UART as a terminal, see `Emulator.serve`. Raises CompileError E802 (no terminal came, or
    QEMU ended before the block did), and those of `command`."""
    with subprocess.Popen(
        command(image.board, image.elf, "pty"), stdin=subprocess.DEVNULL,
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


register(
    Emulator(
        "qemu", "QEMU", "test_serial", run, has=lambda board: board.qemu is not None, serve=serve
    )
)
