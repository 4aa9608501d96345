"""A board in Unicorn with its UART and two regions of memory: what Renode is to the mailbox, and to
whoever is at the UART's other end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import capstone
import unicorn
from elftools.elf.elffile import ELFFile
from unicorn import arm_const as arm

from tinyc.target.boards import Board, Step

# Registers read as the memory that is mapped in their place.
PERIPHERALS = (
    (0x4000_0000, 0x2000_0000),
    (0xA000_0000, 0x0000_1000),
    (0xE000_0000, 0x0010_0000),
)


class Machine:
    """regions: name -> (address, size) of memory beside the board's own; symbols: of the ELF;
    tags: address -> what a register reads as for which the board's steps wait, 0 where it is not
    among them; None: all read as they are awaited; waited: how often they were read; status: what
    the UART's status register reads as; None: as it is awaited; mute: whether what is sent gets
    lost; vectors: where the core takes its stack and entry from; console: what was printed; send:
    takes each byte of that; receive: gives the bytes that came for the UART meanwhile; counts:
    (symbol, instructions executed before), whenever one of those asked for was reached."""

    def __init__(
        self,
        board: Board,
        regions: dict[str, tuple[int, int]],
        tags: dict[int, int] | None = None,
        status: Callable[[Machine], int] | None = None,
    ) -> None:
        self.board, self.regions, self.tags, self.status = board, regions, tags, status
        self.waited, self.mute = 0, False
        self.symbols: dict[str, int] = {}
        self.vectors = board.flash.origin
        self.console = ""
        self.send: Callable[[bytes], object] = lambda _: None
        self.receive: Callable[[], bytes] = lambda: b""
        self.received = b""
        self.counts: list[tuple[str, int]] = []
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{board.core.unicorn}"))
        for memory in board.memory:
            self.uc.mem_map(memory.origin, -(-memory.size // 1024) * 1024)
        for address, size in (*PERIPHERALS, *regions.values()):
            self.uc.mem_map(address, size)

    def write(self, address: int, data: bytes) -> None:
        self.uc.mem_write(address, data)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.uc.mem_read(address, size))

    def load(self, elf: Path) -> None:
        with elf.open("rb") as file:
            parsed = ELFFile(file)
            for segment in parsed.iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    self.write(segment["p_paddr"], segment.data())
            table = parsed.get_section_by_name(".symtab")
            self.symbols = {s.name: s["st_value"] & ~1 for s in table.iter_symbols()}

    def run(self, counted: list[str] | tuple[str, ...] = (), seconds: int = 60) -> None:
        """From reset until the deepest stack, or a fault, was printed; without end if ``seconds``
        are 0."""
        steps = (*self.board.clock.setup, *self.board.console.setup)
        waits = {
            (s.at, s.mask, s.value)
            if self.tags is None
            else (s.at, (1 << s.width) - 1, self.tags.get(s.at, 0))
            for s in steps
            if isinstance(s, Step) and s.wait
        }
        for address, mask, value in waits:
            self._on(unicorn.UC_HOOK_MEM_READ, address, self._wait, (mask, value))
        counts = (0xFFFFFF, 1)  # SysTick, which the start waits for
        self._on(unicorn.UC_HOOK_MEM_READ, 0xE000E018, self._ready, counts)
        sent, received = self.board.console.transmit.ready, self.board.console.receive.ready
        if self.status is None:
            self._on(unicorn.UC_HOOK_MEM_READ, sent[0], self._ready, sent[1:])
            self._on(unicorn.UC_HOOK_MEM_READ, received[0], self._poll, received[1:])
        else:
            self._on(unicorn.UC_HOOK_MEM_READ, sent[0], self._status)
        self._on(unicorn.UC_HOOK_MEM_WRITE, self.board.console.transmit.data, self._print)
        self._on(unicorn.UC_HOOK_MEM_READ, self.board.console.receive.data, self._take)
        if counted:
            places = {self.symbols[name]: name for name in counted}
            self.executed = 0
            self.sizes: dict[tuple[int, int], int] = {}
            self.uc.hook_add(unicorn.UC_HOOK_BLOCK, self._count, places)
        stack, entry = (int.from_bytes(self.read(self.vectors + at, 4), "little") for at in (0, 4))
        self.uc.reg_write(arm.UC_ARM_REG_SP, stack)
        self.uc.emu_start(entry | 1, 0xFFFF_FFFE, timeout=seconds * 1_000_000)

    def _on(self, kind: int, address: int, action: Any, data: Any = None) -> None:
        self.uc.hook_add(kind, action, data, address, address)

    def _ready(self, uc: Any, _kind: int, address: int, _size: int, _v: int, field: Any) -> None:
        mask, value = field
        now = int.from_bytes(uc.mem_read(address, 4), "little")
        uc.mem_write(address, (now & ~mask | value).to_bytes(4, "little"))

    def _wait(self, uc: Any, kind: int, address: int, size: int, v: int, field: Any) -> None:
        self.waited += 1
        self._ready(uc, kind, address, size, v, field)

    def _status(self, uc: Any, _kind: int, address: int, _size: int, _v: int, _d: Any) -> None:
        assert self.status is not None
        self.received = self.received or self.receive()
        uc.mem_write(address, self.status(self).to_bytes(4, "little"))

    def _poll(self, uc: Any, kind: int, address: int, size: int, v: int, field: Any) -> None:
        mask, value = field
        self.received = self.received or self.receive()
        self._ready(uc, kind, address, size, v, (mask, value if self.received else ~value & mask))

    def _take(self, uc: Any, _kind: int, address: int, _size: int, _v: int, _d: Any) -> None:
        uc.mem_write(address, self.received[:1].ljust(4, b"\0"))
        self.received = self.received[1:]

    def _print(self, uc: Any, _kind: int, _at: int, _size: int, value: int, _d: Any) -> None:
        if self.mute:
            return
        self.console += chr(value & 0xFF)
        self.send(bytes([value & 0xFF]))
        if self.console.endswith("\n") and self.console.splitlines()[-1].startswith(
            ("stack: ", "fault: ")
        ):
            uc.emu_stop()

    def _count(self, uc: Any, address: int, size: int, places: dict[int, str]) -> None:
        # By blocks, so that an instruction of an IT block counts whether its condition holds or
        # not, as in Renode.
        if address in places:
            self.counts.append((places[address], self.executed))
        block = (address, size)
        if block not in self.sizes:
            thumb = capstone.Cs(
                capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS
            )
            code = bytes(uc.mem_read(address, size))
            self.sizes[block] = sum(1 for _ in thumb.disasm_lite(code, address))
        self.executed += self.sizes[block]
