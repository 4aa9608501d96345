"""A stand-in for the program ``renode``: its keyword server, with Unicorn for a machine.

It takes the commands and keywords that tinyc uses and refuses all others, as Renode does. A UART
at a terminal is a real pseudo-terminal, with the firmware in Unicorn at its other end. The board
is that of $STANDIN_BOARD; every call is appended to $STANDIN_LOG. $STANDIN_FAULT names what goes
wrong: ``silent`` (the firmware prints nothing), ``dies`` (the program ends at the start of the
emulation), or a prefix of a command that fails.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import threading
from pathlib import Path
from typing import ClassVar
from xmlrpc.server import SimpleXMLRPCServer

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parents[2])]

from mailbox_machine import Machine  # noqa: E402

from tinyc.boards import load_board  # noqa: E402

VERSION = os.environ.get("STANDIN_VERSION", "1.16.1")
FAULT = os.environ.get("STANDIN_FAULT", "")
PATH = r"@(\S+)"


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
        text = Path(path).read_text()
        board = load_board(os.environ["STANDIN_BOARD"])
        assert f'using "{board.renode.platform}"' in text
        regions = re.findall(
            r"^(\w+): Memory.MappedMemory @ sysbus (\w+)\n +size: (\w+)$", text, re.M
        )
        described = tuple(m for m in board.memory if m.name not in board.renode.add)
        self.machine = Machine(
            board.model_copy(update={"memory": described}),
            {n: (int(a, 0), int(s, 0)) for n, a, s in regions},
        )

    def _loaded(self) -> Machine:
        if self.machine is None:
            raise Refused("there is no machine")
        return self.machine

    def _binary(self, path: str, address: str) -> None:
        self._loaded().write(int(address, 0), Path(path).read_bytes())

    def _elf(self, path: str) -> None:
        self._loaded().load(Path(path))

    def _dump(self, region: str, path: str, at: str, size: str) -> None:
        address = self._loaded().regions[region][0] + int(at, 0)
        Path(path).write_bytes(self._loaded().read(address, int(size, 0)))

    def _vectors(self, _cpu: str, address: str) -> None:
        self._loaded().vectors = int(address, 0)

    def _backend(self, uart: str, path: str) -> None:
        self._uart(f"sysbus.{uart}")
        self.console_file = Path(path)

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
            return os.read(terminal, 4096) if select.select([terminal], [], [], 0)[0] else b""

        machine.send, machine.receive = lambda byte: os.write(terminal, byte), receive
        self.interactive = True

    def _hook(self, _cpu: str, symbol: str, mark: str) -> None:
        if symbol not in self._loaded().symbols:
            raise Refused(f"No symbol with name `{symbol}` found.")
        self.hooks.append((symbol, mark))

    def _block(self, _cpu: str, size: str) -> None:
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

    def _uart(self, uart: str) -> None:
        if uart != f"sysbus.{self._loaded().board.renode.uart}":
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
            self._loaded().run([symbol for symbol, _ in self.hooks])
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
    port = int(sys.argv[at + 1])
    assert {"--disable-gui", "--hide-log"} == set(sys.argv[1:at] + sys.argv[at + 2 :])
    server = SimpleXMLRPCServer(("127.0.0.1", port), logRequests=False)
    server.register_instance(Server())
    server.serve_forever()


if __name__ == "__main__":
    main()
