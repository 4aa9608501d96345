"""A stand-in for the program ``renode``: its keyword server, with Unicorn for a machine.

It takes the commands and keywords that tinyc uses and refuses all others, as Renode does. It has
Renode's ways: a connection that comes before it listens is its end, the port that it chose lies in
a file, folders of processes that run no more are deleted from $TMPDIR, a path ends at a blank;
`MODELS` tells of its models. A UART at a terminal is a real pseudo-terminal, with the firmware in
Unicorn at its other end. The board is that of $STANDIN_BOARD; every call is appended to
$STANDIN_LOG. $STANDIN_FAULT names what goes wrong: ``silent`` (the firmware prints nothing),
``dies`` (the program ends at the start of the emulation), or a prefix of a command that fails.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import socket
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xmlrpc.server import SimpleXMLRPCServer

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parents[2])]

from mailbox_machine import Machine  # noqa: E402

from tinyc.target.boards import Memory, load_board  # noqa: E402

VERSION = os.environ.get("STANDIN_VERSION", "1.16.1")
FAULT = os.environ.get("STANDIN_FAULT", "")
SECONDS = int(os.environ.get("STANDIN_SECONDS", "60"))
PATH = r"@((?:\\ |[^\s;])+)"
DESCRIPTIONS = tomllib.loads((Path(__file__).parent / "descriptions.toml").read_text())
STARTING_S = 0.5
"""Seconds from the first sign of life to the server."""


@dataclass(frozen=True)
class Model:
    """What is peculiar to a board's models. dma: the UART that has no transmit register unless that
    is turned off; fifo: bytes that the UART's receiver holds; status: of the UART."""

    dma: str | None = None
    fifo: int | None = None
    status: Callable[[Machine], int] | None = None


def _samd5(machine: Machine) -> int:
    """INTFLAG of SAMD5_UART.cs: DRE is set while nothing waits to be received, TXC from the first
    byte that was sent on, RXC while something waits."""
    waits = bool(machine.received)
    return (not waits) | bool(machine.console) << 1 | waits << 2


MODELS = {
    "platforms/cpus/atsamd51g19a.repl": Model(status=_samd5),
    "platforms/boards/nrf52840dk_nrf52840.repl": Model(dma="uart0"),
    "platforms/boards/arduino_nano_33_ble.repl": Model(dma="uart0"),
    "platforms/boards/max32652-evkit.repl": Model(fifo=32),
    # CSR of RenesasRA8M1_SCI.cs: neither TDRE nor RDRF, TEND always.
    "platforms/boards/renesas-ek_ra8m1.repl": Model(status=lambda _: 1 << 30),
}


def covered(memory: Memory, ranges: list[tuple[int, int]]) -> int:
    """The end of what ``ranges`` have of a board's memory, from its origin on."""
    end = memory.origin
    for first, last in sorted(ranges):
        if first <= end < last:
            end = last
    return min(end, memory.end)


class Refused(Exception):
    pass


class Keywords:
    def __init__(self) -> None:
        self.ResetEmulation()

    def ResetEmulation(self) -> None:
        self.machine: Machine | None = None
        self.console_file: Path | None = None
        self.hooks: list[tuple[str, str]] = []
        self.block = 0
        self.tester = self.log = False
        self.terminals: dict[str, int] = {}
        self.interactive = False

    def ExecuteCommand(self, command: str) -> str:
        if FAULT and command.startswith(FAULT):
            raise Refused(f"Could not execute command '{command}'")
        for pattern, action in self.commands.items():
            if match := re.fullmatch(pattern, command):
                action(self, *match.groups())
                return ""
        raise Refused(f"No such command or device: {command}")

    def _platform(self, path: str) -> None:
        text = Path(_plain(path)).read_text()
        board = load_board(os.environ["STANDIN_BOARD"])
        assert f'using "{board.renode.platform}"' in text
        self.description = DESCRIPTIONS[board.renode.platform]
        self.model = model = MODELS.get(board.renode.platform, Model())
        if not re.search(rf"^{self.description['cpu']}:\n +PerformanceInMips: \d+$", text, re.M):
            raise Refused(f"Error E20: Variable '{board.renode.cpu}' is not declared")
        regions = re.findall(
            r"^(\w+): Memory.MappedMemory @ sysbus (\w+)\n +size: (\w+)$", text, re.M
        )
        sizes = {n: int(s, 0) for n, s in re.findall(r"^(\w+):\n +size: (\w+)$", text, re.M)}
        memories = [
            (origin, origin + sizes.get(name, size))
            for name, (origin, size) in self.description["memory"].items()
        ]
        described = [
            m.model_copy(update={"size": end - m.origin})
            for m in board.memory
            if m.name not in board.renode.add and (end := covered(m, memories)) > m.origin
        ]
        tags = re.findall(r"^ {8}Tag <(0x\w{8}), 0x\w{8}> \"[^\"]+\" (0x\w+)$", text, re.M)
        self.machine = Machine(
            board.model_copy(update={"memory": tuple(described)}),
            {n: (int(a, 0), int(s, 0)) for n, a, s in regions},
            {int(at, 0): int(value, 0) for at, value in tags},
            model.status,
        )
        dma = model.dma and not re.search(rf"^{model.dma}:\n +easyDMA: false$", text, re.M)
        self.machine.mute = bool(dma)

    def _loaded(self) -> Machine:
        if self.machine is None:
            raise Refused("there is no machine")
        return self.machine

    def _binary(self, path: str, address: str) -> None:
        self._loaded().write(int(address, 0), Path(_plain(path)).read_bytes())

    def _elf(self, path: str) -> None:
        self._loaded().load(Path(_plain(path)))

    def _dump(self, region: str, path: str, at: str, size: str) -> None:
        address = self._loaded().regions[region][0] + int(at, 0)
        Path(_plain(path)).write_bytes(self._loaded().read(address, int(size, 0)))

    def _vectors(self, cpu: str, address: str) -> None:
        self._core(cpu)
        self._loaded().vectors = int(address, 0)

    def _backend(self, uart: str, path: str) -> None:
        self._uart(f"sysbus.{uart}")
        self.console_file = Path(_plain(path))

    def _terminal(self, name: str, link: str) -> None:
        if os.path.lexists(link):
            raise Refused(f"File `{link}' already exists. Use forceCreate to overwrite it.")
        # The other end stays open, so that whoever is at it may come and go.
        self.terminals[name], end = os.openpty()
        os.symlink(os.ttyname(end), link)

    def _connect(self, uart: str, name: str) -> None:
        self._uart(uart)
        if name not in self.terminals:
            raise Refused(f"Could not find an external named {name}")
        terminal, machine = self.terminals[name], self._loaded()

        def receive() -> bytes:
            came = os.read(terminal, 4096) if select.select([terminal], [], [], 0)[0] else b""
            return came[: self.model.fifo]

        machine.send, machine.receive = lambda byte: os.write(terminal, byte), receive
        self.interactive = True

    def _hook(self, cpu: str, symbol: str, mark: str) -> None:
        self._core(cpu)
        if symbol not in self._loaded().symbols:
            raise Refused(f"No symbol with name `{symbol}` found.")
        self.hooks.append((symbol, mark))

    def _block(self, cpu: str, size: str) -> None:
        self._core(cpu)
        self.block = int(size)

    commands: ClassVar = {
        "emulation SetGlobalAdvanceImmediately true": lambda self: None,
        'emulation SetGlobalQuantum "[0-9.]+"': lambda self: None,
        "mach create": lambda self: None,
        "pause": lambda self: None,
        f"machine LoadPlatformDescription {PATH}": _platform,
        f"sysbus LoadBinary {PATH} (0x[0-9a-f]+)": _binary,
        f"sysbus LoadELF {PATH}": _elf,
        r"sysbus\.(\w+) VectorTableOffset (0x[0-9a-f]+)": _vectors,
        r"sysbus\.(\w+) MaximumBlockSize (\d+)": _block,
        rf"sysbus\.(\w+) CreateFileBackend {PATH} true": _backend,
        r'emulation CreateUartPtyTerminal "(\w+)" "([^"]+)"': _terminal,
        r"connector Connect (sysbus\.\w+) (\w+)": _connect,
        rf"sysbus\.(\w+) DumpBinary {PATH} (\w+) (\w+)": _dump,
        r"""sysbus\.(\w+) AddHook `sysbus GetSymbolAddress "(\w+)"` "self\.InfoLog\('([\w ]+)' """
        r"""\+ str\(self\.ExecutedInstructions\)\)\"""": _hook,
    }

    def _core(self, cpu: str) -> None:
        if cpu != self.description["cpu"]:
            raise Refused(f"No such command or device: sysbus.{cpu}")

    def _uart(self, uart: str) -> None:
        self._loaded()
        if uart.removeprefix("sysbus.") not in self.description["uart"]:
            raise Refused(f"Could not find peripheral {uart}")

    def CreateTerminalTester(self, uart: str, timeout: str) -> int:
        self._uart(uart)
        assert float(timeout.removeprefix("timeout=")) > 0
        self.tester = True
        return 0

    def CreateLogTester(self, timeout: str) -> None:
        assert float(timeout) > 0
        self.log = True

    def StartEmulation(self) -> None:
        if FAULT == "dies":
            os._exit(3)
        if self.interactive:
            threading.Thread(target=self._loaded().run, kwargs={"seconds": 0}, daemon=True).start()
        elif FAULT != "silent":
            assert not self.hooks or self.block == 1, "counts would be of whole blocks"
            self._loaded().run([symbol for symbol, _ in self.hooks], SECONDS)
            if self.console_file is not None:
                self.console_file.write_text(self._loaded().console)

    def WaitForLineOnUart(self, pattern: str, regex: str) -> dict[str, object]:
        assert self.tester and regex == "treatAsRegex=true"
        for line in self._loaded().console.splitlines():
            if re.search(pattern, line):
                return {"Line": line, "Timestamp": 1.5, "Groups": []}
        raise Refused("Terminal tester failed!\n\nFull report:\n")

    def WaitForLogEntry(self, pattern: str, regex: str) -> str:
        assert self.log and regex == "treatAsRegex=true"
        marks = dict(self.hooks)
        for symbol, count in self._loaded().counts:
            if re.search(pattern, f"{marks[symbol]}{count}"):
                return f"cpu: {marks[symbol]}{count}"
        raise Refused(f'Expected pattern "{pattern}" did not appear in the log')


class Server:
    def __init__(self) -> None:
        self.keywords = Keywords()

    def get_keyword_names(self) -> list[str]:
        return [name for name in vars(Keywords) if name[0].isupper()]

    def run_keyword(self, name: str, arguments: list[str]) -> dict[str, object]:
        with open(os.environ["STANDIN_LOG"], "a") as log:
            log.write(json.dumps([name, *arguments]) + "\n")
        if name not in self.get_keyword_names():
            raise ValueError(f'Keyword "{name}" not found')
        try:
            value = getattr(self.keywords, name)(*arguments)
        except Refused as error:
            return {"status": "FAIL", "error": f"KeywordException: {error}\n", "traceback": ""}
        return {"status": "PASS", **({} if value is None else {"return": value})}


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"Renode v{VERSION}.12345\n  build: 0123abcd-202601010000")
        return
    at = sys.argv.index("--robot-server-port")
    assert {"--disable-gui", "--hide-log"} == set(sys.argv[1:at] + sys.argv[at + 2 :])
    own = _own_folder()
    # It listens before it is able to answer: who connects meanwhile finds a listener half made.
    with socket.create_server(("127.0.0.1", int(sys.argv[at + 1]))) as listener:
        port = listener.getsockname()[1]
        if select.select([listener], [], [], STARTING_S)[0]:
            os._exit(134)
    server = SimpleXMLRPCServer(("127.0.0.1", port), logRequests=False)
    server.register_instance(Server())
    # The file is made, and then written.
    (own / "robot_port").touch()
    threading.Timer(0.2, (own / "robot_port").write_text, [str(port)]).start()
    server.serve_forever()


def _own_folder() -> Path:
    """$TMPDIR/renode-PID; those of processes that do not run are deleted."""
    temporary = Path(tempfile.gettempdir())
    for folder in temporary.glob("renode-*"):
        number = folder.name.removeprefix("renode-")
        if not (number.isdigit() and Path("/proc", number).is_dir()):
            shutil.rmtree(folder, ignore_errors=True)
    own = temporary / f"renode-{os.getpid()}"
    own.mkdir()
    return own


def _plain(path: str) -> str:
    return path.replace("\\ ", " ")


if __name__ == "__main__":
    main()
