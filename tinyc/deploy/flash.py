"""Flashing and debugging a board: an image and a board -> the commands of a tool, run.

A tool is one entry of `TOOLS`; which of them know a board, and which it prefers, is in its file
(`tinyc.target.boards.Debug`). Nothing is run here but those commands.
"""

from __future__ import annotations

import codecs
import contextlib
import glob
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import CompileError
from ..target.boards import Board, Debug
from ..target.versions import find_program

PORT = 3333
"""Where GDB servers listen."""

GDBS = ("arm-none-eabi-gdb", "gdb-multiarch")

MOUNTS = ("/media", "/media/*", "/run/media/*", "/Volumes")
"""Where desktops mount drives, by the label as the folder's name."""

# Letters and digits; in the number of some probes, a colon, a point, a dash or an underscore.
_SERIAL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9:._-]*[A-Za-z0-9._-])?")
_USB = re.compile(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{4}(?::(.+))?")  # VID:PID or VID:PID:SERIAL
_PORT = re.compile(r"[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*")
_PATIENCE_S = 5.0  # for a tool to end once it has been asked to
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
        usb = _USB.fullmatch(self.probe or "")
        return usb[1] if usb else self.probe

    @property
    def image(self) -> str:
        """The path of the ELF."""
        return _word(self.elf)

    def file(self, suffix: str) -> str:
        """The path of the image in that form, written again unless it is as new as the ELF."""
        path = self.elf.with_suffix(suffix)
        if not path.is_file() or path.stat().st_mtime_ns < self.elf.stat().st_mtime_ns:
            from ..image.build import write_flat

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
            _check_volume(board, volume) if volume else find_volume(board)
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
    return _check_volume(board, found[0])


def _check_volume(board: Board, folder: Path) -> Path:
    if not folder.is_dir():
        raise CompileError("E202", str(folder), "no such folder", "give where the drive is mounted")
    names = {path.name.upper() for path in folder.iterdir()}
    if board.debug and board.debug.uf2 is not None and "INFO_UF2.TXT" not in names:
        raise CompileError(
            "E811", str(folder), "has no INFO_UF2.TXT, which every UF2 boot loader shows",
            "put the board into its boot loader",
        )  # fmt: skip
    return folder


# What is chosen ----------------------------------------------------------------------------


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
        _check_volume(board, volume) if volume else find_volume(board)
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
    usb = _USB.fullmatch(probe)
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


def gdb_command(gdb: str, tool: Tool, target: Target) -> Command:
    """GDB that connects to the tool's server, loads the image where the server can write flash,
    and stops at ``main``."""
    load = ("load", tool.reset) if tool.loads else ()
    steps = (f"target extended-remote localhost:{PORT}", tool.reset, *load, "tbreak main")
    options = [option for step in (*steps, "continue") for option in ("-ex", step)]
    return (gdb, *options, target.image)


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


# What is run -------------------------------------------------------------------------------


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
