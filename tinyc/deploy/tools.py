"""The tools that flash and debug boards: one entry of `TOOLS` each, with the commands by which it
writes an image and serves GDB."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CompileError
from ..target.boards import Board, Debug
from ..target.versions import find_program

PORT = 3333
"""Where GDB servers listen."""

MOUNTS = ("/media", "/media/*", "/run/media/*", "/Volumes")
"""Where desktops mount drives, by the label as the folder's name."""

USB = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(?::(.+))?")  # VID:PID or VID:PID:SERIAL
_UDEV = "on Linux a probe needs a udev rule (docs/flashing.md)"

Command = tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """What is to be flashed: a linked ELF, its board, the probe (a serial number, or however the
    tool names one) and the drive's folder, where the user named them."""

    elf: Path
    board: Board
    probe: str | None = None
    volume: Path | None = None

    @property
    def debug(self) -> Debug:
        assert self.board.debug is not None
        return self.board.debug

    @property
    def serial(self) -> str | None:
        """The serial number, of a probe given as VID:PID:SERIAL too."""
        usb = USB.fullmatch(self.probe or "")
        return usb[1] if usb else self.probe

    @property
    def image(self) -> str:
        """The path of the ELF."""
        return _word(self.elf)

    def file(self, suffix: str) -> str:
        """The path of the image in that form, written again unless it is as new as the ELF."""
        path = self.elf.with_suffix(suffix)
        if not path.is_file() or path.stat().st_mtime_ns < self.elf.stat().st_mtime_ns:
            from ..image.flat import write_flat

            write_flat(self.elf, self.board, suffix)
        return _word(path)


@dataclass(frozen=True)
class Tool:
    """program: its name on PATH; flash: the commands that write the image and start it; install:
    where to get it; serve: the command of its GDB server, if it has one; server: that one's name
    on PATH, if it is another; hint: what to look at if it fails; loads: whether the server writes
    flash; reset: GDB's command that resets and halts the core there.
    """

    program: str
    flash: Callable[[Target], list[Command]]
    install: str
    serve: Callable[[Target], Command] | None = None
    server: str | None = None
    hint: Callable[[Debug], str] = field(default=lambda debug: _UDEV)
    loads: bool = True
    reset: str = "monitor reset halt"

    def lacks(self, board: Board, volume: Path | None, server: bool) -> str | None:
        """What is missing for it on this machine, and how to get it; None if nothing is.
        server: for its GDB server."""
        for program in (self.program, self.server if server else None):
            if program and find_program(program) is None:
                return f"{program} ({self.install})"
        return None


# The tools ---------------------------------------------------------------------------------


def _word(path: Path) -> str:
    """``path`` as an argument that no program takes for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _tcl(text: str) -> str:
    """``text`` as a word of Tcl; it may go through Tcl once more in braces, as in OpenOCD's own
    `program`. Raises CompileError E239 where that cannot be."""
    if re.search(r"[{}\\\x00-\x1f\x7f]", text):
        raise CompileError(
            "E239", text, "OpenOCD takes no name with a brace, a backslash or a control character",
            "rename it, or choose another --tool",
        )  # fmt: skip
    return re.sub(r"([^\w./+-])", r"\\\1", text)


def _option(name: str, value: str | None, joined: bool = False) -> Command:
    if value is None:
        return ()
    return (f"{name}{value}",) if joined else (name, value)


def _probe_rs(target: Target) -> Command:
    if target.probe and ":" not in target.probe:
        raise CompileError(
            "E231", f"--probe {target.probe}", "probe-rs names a probe VID:PID:SERIAL",
            "`probe-rs list` shows them",
        )  # fmt: skip
    return ("--chip", str(target.debug.probe_rs), *_option("--probe", target.probe))


def _flash_probe_rs(target: Target) -> list[Command]:
    options = _probe_rs(target)
    return [
        ("probe-rs", "download", *options, target.image),
        ("probe-rs", "reset", *options),
    ]


def _serve_probe_rs(target: Target) -> Command:
    where = ("--gdb-connection-string", f"127.0.0.1:{PORT}")
    return ("probe-rs", "gdb", *_probe_rs(target), *where, "--reset-halt")


def _openocd(target: Target) -> Command:
    files = [option for file in target.debug.openocd for option in ("-f", file)]
    serial = f"adapter serial {_tcl(target.serial)}" if target.serial else None
    return ("openocd", *files, *_option("-c", serial))


def _flash_openocd(target: Target) -> list[Command]:
    return [(*_openocd(target), "-c", f"program {_tcl(target.image)} verify reset exit")]


def _serve_openocd(target: Target) -> Command:
    ports = f"gdb_port {PORT}; telnet_port disabled; tcl_port disabled"
    return (*_openocd(target), "-c", ports)


def _pyocd(target: Target) -> Command:
    name = str(target.debug.pyocd)
    return ("--no-wait", "--target", name, *_option("--probe", target.serial))


def _flash_pyocd(target: Target) -> list[Command]:
    return [("pyocd", "load", *_pyocd(target), target.image)]


def _serve_pyocd(target: Target) -> Command:
    return ("pyocd", "gdbserver", *_pyocd(target), "--port", str(PORT))


def _flash_cube(target: Target) -> list[Command]:
    serial = _option("sn=", target.serial, joined=True)
    connect = ("-c", "port=SWD", *serial)
    return [("STM32_Programmer_CLI", *connect, "-w", target.file(".hex"), "-v", "-rst")]


def _serve_cube(target: Target) -> Command:
    # The server loads libraries that lie beside the programmer.
    programmer = Path(find_program("STM32_Programmer_CLI") or "STM32_Programmer_CLI").parent
    serial = _option("--serial-number", target.serial)
    where = ("-p", str(PORT), "-cp", str(programmer))
    return ("ST-LINK_gdbserver", *where, "--swd", "--halt", *serial)


def _flash_st(target: Target) -> list[Command]:
    serial = _option("--serial", target.serial)
    return [("st-flash", "--reset", *serial, "--format", "ihex", "write", target.file(".hex"))]


def _serve_st(target: Target) -> Command:
    return ("st-util", "--listen_port", str(PORT), *_option("--serial", target.serial))


def _flash_picotool(target: Target) -> list[Command]:
    serial = _option("--ser", target.serial)
    return [("picotool", "load", "--verify", "--execute", target.file(".uf2"), *serial)]


def _flash_bossac(target: Target) -> list[Command]:
    port = _option("--port=", target.probe, joined=True)
    offset = _option("--offset=", hex(target.debug.bossac or 0), joined=True)
    where = (*port, *(offset if target.debug.bossac else ()))
    return [("bossac", *where, "-U", "-i", "-e", "-w", target.file(".bin"), "-R")]


def _flash_copy(target: Target) -> list[Command]:
    folder = target.volume or find_volume(target.board)
    form = ".bin" if target.debug.uf2 is None else ".uf2"
    # The drive is not a disk: what arrives is written to flash, so it is copied under no other
    # name first, and `sync` sends what the system still holds.
    return [("cp", target.file(form), f"{_word(folder)}/"), ("sync",)]


@dataclass(frozen=True)
class _Copy(Tool):
    def lacks(self, board: Board, volume: Path | None, server: bool) -> str | None:
        try:
            check_volume(board, volume) if volume else find_volume(board)
        except CompileError as error:
            return f"the board's drive ({error.what})"
        return None


def _pack(debug: Debug) -> str:
    return f"`pyocd pack install {debug.pyocd}` if it does not know the chip; {_UDEV}"


def _boot(debug: Debug) -> str:
    return "the board has to be in its boot loader (docs/flashing.md)"


TOOLS = {
    "probe-rs": Tool("probe-rs", _flash_probe_rs, "probe.rs", _serve_probe_rs, loads=False),
    "openocd": Tool("openocd", _flash_openocd, "apt-get install openocd", _serve_openocd),
    "pyocd": Tool("pyocd", _flash_pyocd, "pip install pyocd", _serve_pyocd, hint=_pack),
    "STM32_Programmer_CLI": Tool(
        "STM32_Programmer_CLI", _flash_cube, "STM32CubeCLT, st.com", _serve_cube,
        server="ST-LINK_gdbserver", reset="monitor reset",
    ),
    "st-flash": Tool(
        "st-flash", _flash_st, "apt-get install stlink-tools", _serve_st, server="st-util"
    ),
    "picotool": Tool(
        "picotool", _flash_picotool, "github.com/raspberrypi/picotool", hint=_boot
    ),
    "bossac": Tool("bossac", _flash_bossac, "Arduino's, docs/flashing.md", hint=_boot),
    "copy": _Copy("cp", _flash_copy, "", hint=_boot),
}  # fmt: skip
"""By the names of `tinyc.target.boards.FLASHERS`."""


def gdb_command(gdb: str, tool: Tool, target: Target) -> Command:
    """GDB that connects to the tool's server, loads the image where the server can write flash,
    and stops at ``main``."""
    load = ("load", tool.reset) if tool.loads else ()
    steps = (f"target extended-remote localhost:{PORT}", tool.reset, *load, "tbreak main")
    options = [option for step in (*steps, "continue") for option in ("-ex", step)]
    return (gdb, *options, target.image)


def find_volume(board: Board) -> Path:
    """The folder where the board's drive is mounted. Raises CompileError E811 if it is not, or
    if several are."""
    labels = board.debug.volumes if board.debug else ()
    found = []
    for place in MOUNTS:
        for label in labels:
            for folder in map(Path, sorted(glob.glob(f"{place}/{glob.escape(label)}*"))):
                # A second drive of the same label gets a number.
                if re.fullmatch(r"\d*", folder.name.removeprefix(label)) and folder.is_dir():
                    found.append(folder)
    hint = "pass --volume FOLDER"
    if not found:
        raise CompileError("E811", board.name, f"no {' or '.join(labels)} is mounted", hint)
    if len(found) > 1:
        several = " and ".join(map(str, found))
        raise CompileError("E811", board.name, f"{several} are mounted", hint)
    return check_volume(board, found[0])


def check_volume(board: Board, folder: Path) -> Path:
    if not folder.is_dir():
        raise CompileError("E202", str(folder), "no such folder", "give where the drive is mounted")
    names = {path.name.upper() for path in folder.iterdir()}
    if board.debug and board.debug.uf2 is not None and "INFO_UF2.TXT" not in names:
        raise CompileError(
            "E811", str(folder), "has no INFO_UF2.TXT, which every UF2 boot loader shows",
            "put the board into its boot loader",
        )  # fmt: skip
    return folder
