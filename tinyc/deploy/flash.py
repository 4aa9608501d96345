"""Flashing and debugging a board: which tool does it, and with what.

Which tools know a board, and which it prefers, is in its file (`tinyc.target.boards.Debug`); their
commands are in `tinyc.deploy.tools`, and run by `tinyc.deploy.processes`.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from ..errors import CompileError
from ..target.boards import Board
from ..target.versions import find_program
from .tools import TOOLS, USB, Command, check_volume, find_volume

GDBS = ("arm-none-eabi-gdb", "gdb-multiarch")

# Letters and digits; in the number of some probes, a colon, a point, a dash or an underscore.
_SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9:._-]*[A-Za-z0-9._-])?")
_PORT = re.compile(r"[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*")


def choose(
    board: Board, name: str | None = None, volume: Path | None = None, server: bool = False
) -> str:
    """The name in `TOOLS` of the first tool that knows the board and is there.

    name: take that one; server: only one that has a GDB server. Raises CompileError E230 (the
    tool is unknown, or none that knows the board), E710 (none is installed), E811 (no drive).
    """
    if name is not None and name not in TOOLS:
        raise CompileError("E230", f"--tool {name}", "is unknown", f"use one of {', '.join(TOOLS)}")
    flashers = board.debug.flashers if board.debug else ()
    known = [tool for tool in flashers if TOOLS[tool].serve or not server]
    what = "debugged" if server else "flashed"
    if not known:
        raise CompileError(
            "E230", board.name, f"its file does not say how it is {what}",
            "see docs/flashing.md, or `tinyc boards` for another",
        )  # fmt: skip
    if name is not None and name not in known:
        raise CompileError(
            "E230", f"--tool {name}", f"{board.name} cannot be {what} by it",
            f"use one of {', '.join(known)}",
        )  # fmt: skip
    candidates = known if name is None else [name]
    lacks = {tool: TOOLS[tool].lacks(board, volume, server) for tool in candidates}
    for tool, lack in lacks.items():
        if lack is None:
            return tool
    if name == "copy":
        check_volume(board, volume) if volume else find_volume(board)
    if name is not None:
        missing, _, install = str(lacks[name]).partition(" (")
        raise CompileError("E710", missing, "is not on PATH", install.removesuffix(")"))
    raise CompileError(
        "E710", board.name, f"nothing is there by which it can be {what}",
        f"get one of: {', '.join(str(lack) for lack in lacks.values())}",
    )  # fmt: skip


def check_probe(tool: str, probe: str | None) -> None:
    """Raise CompileError E238 where ``probe`` is nothing by which ``tool`` could name one."""
    if probe is None:
        return
    usb = USB.fullmatch(probe)
    if tool == "bossac":
        right, what, hint = _PORT.fullmatch(probe), "serial port", "a path such as /dev/ttyACM0"
    else:
        right, what = _SERIAL.fullmatch(probe), "serial number of a probe"
        hint = "letters and digits, as `pyocd list` shows them, or VID:PID:SERIAL"
        if usb and not usb[1] and tool != "probe-rs":
            right = None
    if not right:
        raise CompileError("E238", f"--probe {probe!r}", f"is no {what}", f"give {hint}")


def check_image(elf: Path, board: Board) -> None:
    """Raises CompileError E202 (no such file), E203 (no ELF for Arm), E232 (linked for another
    board's memory)."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    if not elf.is_file():
        raise CompileError("E202", str(elf), "no such file", "build it, or give the path of an ELF")
    try:
        with elf.open("rb") as file:
            parsed = ELFFile(file)
            loads = [s for s in parsed.iter_segments() if s["p_type"] == "PT_LOAD"]
            ranges = [(s["p_paddr"], s["p_paddr"] + s["p_filesz"]) for s in loads if s["p_filesz"]]
            arm = parsed["e_machine"] == "EM_ARM"
    except ELFError as error:
        raise CompileError("E203", str(elf), f"is not an ELF file: {error}") from None
    if not arm or not ranges:
        raise CompileError("E203", str(elf), "is not a linked ELF file for Arm")
    flash = board.flash
    if min(low for low, _ in ranges) != flash.origin or max(high for _, high in ranges) > flash.end:
        raise CompileError(
            "E232", str(elf), f"is not linked for the flash of {board.name}",
            f"build it for {board.name}",
        )  # fmt: skip


def find_gdb() -> str | None:
    """The first of `GDBS` that is there."""
    return next((name for name in GDBS if find_program(name)), None)


def located(command: Command) -> Command:
    """With its program's path where PATH does not lead to it: see `find_program`."""
    name, *options = command
    return command if shutil.which(name) else (find_program(name) or name, *options)


def shown(command: Command) -> str:
    """As it would be typed."""
    return shlex.join(command)
