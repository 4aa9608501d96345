"""The cycle model: executed blocks priced by the core's documented timing.

A core's ``[timing]`` table (boards/cores/*.toml, with its sources) holds:

* ``class``: the first entry whose ``match`` fits the start of "mnemonic operands" gives the
  base cost, ``cycles`` and ``per_word`` for each word of a register list; others cost 1;
* ``taken``: cycles added for each branch that is taken, whatever instruction branches;
* ``load_stall``: added for a load of one core register, unless another such load follows whose
  address does not come from it (loads that follow each other pipeline);
* ``store_stall``: added for a store to a register offset that no such load precedes;
* ``load_use``: added for each load whose result the next instruction reads;
* ``dual_issue``: an instruction shares its cycle with the one before it where neither depends
  on the other and they do not both use the memory port or the multiplier.

Memory has no wait states in this model, and an address register that is written just before
its use costs nothing (published MLPerf Tiny images fit within 4 % without that term). What a
board's flash adds to that is `on_board`, where something is known of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from ..target.boards import Board, Core, Waits

_LOAD_ONE = re.compile(r"ldr(?!d)")
_LOAD = re.compile(r"v?ldr")
_STORE_ONE = re.compile(r"str(?!d)")
_MEMORY = re.compile(r"v?(ldr|str|ldm|stm|push|pop)")
_MULTIPLY = re.compile(r"mul|ml[as]|[su]ml|[su]mu|smm|v(n?m(ul|l[as])|fn?m[as])")


@dataclass(frozen=True)
class Instruction:
    """What the price of an instruction depends on. Registers are names: ``r0``, ``s1``, ``pc``.

    text: "mnemonic operands"; size: bytes of the opcode; words: 32-bit registers of a list, 2 for a
    pair without braces; loaded: what a load writes, write-back left out; base, index: of its
    address.
    """

    text: str
    size: int
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    base: str = ""
    index: str = ""
    words: int = 0


@dataclass(frozen=True)
class _Class:
    match: str
    cycles: float
    per_word: float = 0.0


@dataclass(frozen=True)
class _Timing:
    taken: float
    load_stall: float = 0.0
    store_stall: float = 0.0
    load_use: float = 0.0
    dual_issue: bool = False
    classes: tuple[_Class, ...] = ()


@dataclass(frozen=True)
class Block:
    """Cost of one straight-line piece of code, in instructions and cycles; straddled: opcodes that
    lie across two lines of the flash."""

    instructions: int
    cycles: float
    straddled: int


@dataclass(frozen=True)
class Price:
    """What executed blocks cost. cycles: at zero wait states; straddled: opcodes across two lines
    of the flash; taken: branches; reads: of data from flash; misses: lines that its cache did not
    hold, the last two None where they were not counted."""

    instructions: int
    cycles: float
    straddled: int
    taken: int
    reads: int | None = None
    misses: int | None = None


TERMS = ("taken", "straddle", "read", "miss")
"""What `Waits` may charge for, in the order of `events`."""


def events(price: Price) -> tuple[int, int, int, int] | None:
    """How often each of `TERMS` came; None where the reads were not counted."""
    if price.reads is None or price.misses is None:
        return None
    return price.taken, price.straddled, price.reads, price.misses


def on_board(price: Price, waits: Waits | None) -> float | None:
    """The cycles with a board's flash; None where nothing is known of it, or it was not counted."""
    counts = events(price)
    if waits is None or counts is None:
        return None
    charges = (waits.taken, waits.straddle, waits.read, waits.miss)
    return price.cycles + sum(a * b for a, b in zip(charges, counts, strict=True))


class CycleModel:
    """Prices code of one core. ``code``: bytes that start at address ``base``; line: bytes of a
    line of the flash."""

    def __init__(self, core: Core, code: bytes, base: int, line: int = 16) -> None:
        self.timing = _timing(core)
        self._classes = [(re.compile(c.match), c) for c in self.timing.classes]
        self._code, self._base, self._line = code, base, line
        self._capstone = disassembler()
        self.block = cache(self._block)

    def price(self, blocks: Iterable[tuple[int, int, int, int]]) -> Price:
        """Of (address, bytes, executions, branches taken) of blocks."""
        instructions, cycles, straddled, branches = 0, 0.0, 0, 0
        for address, size, count, taken in blocks:
            block = self.block(address, size)
            instructions += block.instructions * count
            cycles += block.cycles * count + self.timing.taken * taken
            straddled += block.straddled * count
            branches += taken
        return Price(instructions, cycles, straddled, branches)

    def _block(self, address: int, size: int) -> Block:
        listing = self._decode(address, size)
        # A block may end in the middle of straight-line code: what follows decides on a stall.
        following = self._decode(address + size, 1)
        total, shares, straddled = 0.0, False, 0
        for i, ins in enumerate(listing):
            straddled += ins.size == 4 and address % self._line == self._line - 2
            address += ins.size
            before = listing[i - 1] if i else None
            after = next(iter(listing[i + 1 :] or following), None)
            cost = self._cost(ins, before, after)
            # The first of a pair shares with the second, never with a third.
            shares = bool(self.timing.dual_issue and before and not shares and _pair(before, ins))
            total += max(0.0, cost - 1) if shares else cost
        return Block(len(listing), total, straddled)

    def _cost(
        self, ins: Instruction, before: Instruction | None, after: Instruction | None
    ) -> float:
        timing = self.timing
        cost = next(
            (c.cycles + c.per_word * ins.words for p, c in self._classes if p.match(ins.text)), 1.0
        )
        if _LOAD_ONE.match(ins.text):
            pipelined = (
                after is not None
                and _LOAD_ONE.match(after.text)
                and not ins.loaded & {after.base, after.index, "pc"}
            )
            cost += 0 if pipelined else timing.load_stall
        if _STORE_ONE.match(ins.text) and ins.index:
            cost += 0 if before and _LOAD_ONE.match(before.text) else timing.store_stall
        if _LOAD.match(ins.text) and after is not None and ins.loaded & after.reads:
            cost += timing.load_use
        return cost

    def _decode(self, address: int, size: int) -> list[Instruction]:
        """The instructions that start within ``size`` bytes of ``address``."""
        at, end = address - self._base, address - self._base + size
        listing: list[Instruction] = []
        while at < min(end, len(self._code) - 1):
            piece = self._code[at : max(end, at + 4)]
            for raw in self._capstone.disasm(piece, self._base + at):
                if at >= end:
                    break
                listing.append(_instruction(raw))
                at += raw.size
            else:
                if at < end:  # unknown to the disassembler: its width is in its first halfword
                    wide = self._code[at + 1] >> 3 in (0b11101, 0b11110, 0b11111)
                    listing.append(Instruction("?", 4 if wide else 2))
                    at += listing[-1].size
        return listing


def disassembler() -> Any:
    """A capstone.Cs of every Cortex-M's code, with the details of operands."""
    import capstone

    mode = capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    made = capstone.Cs(capstone.CS_ARCH_ARM, mode)
    made.detail = True
    return made


def source(core: Core) -> str:
    """Where figures of this model come from, as every report states it."""
    return f"cycles (modelled, {core.title}, zero wait states)"


def board_source(board: Board) -> str | None:
    """The same of `on_board`; None where nothing is known of its flash."""
    if board.waits is None:
        return None
    title, mhz = board.title.partition(" (")[0], board.clock_hz / 1e6
    states, error = board.waits.states, board.waits.error
    return f"cycles (modelled, {title}, {mhz:g} MHz, {states} wait states, ±{error:g} %)"


def _timing(core: Core) -> _Timing:
    """The core's table. Raises ValueError for a key that it does not know."""
    table = dict(core.timing)
    known = {f.name for f in fields(_Class)}
    classes = table.pop("class", ())
    for entry in classes:
        if set(entry) - known:
            raise ValueError(f"[timing] of {core.name}: {set(entry) - known} in a class")
    unknown = set(table) - {f.name for f in fields(_Timing)}
    if unknown or "taken" not in table:
        raise ValueError(f"[timing] of {core.name}: {unknown or 'taken is missing'}")
    return _Timing(**table, classes=tuple(_Class(**entry) for entry in classes))


def _instruction(raw: Any) -> Instruction:
    """What the model needs of a capstone instruction."""
    from capstone import CS_AC_WRITE
    from capstone.arm import ARM_OP_MEM, ARM_OP_REG

    def names(registers: Iterable[int]) -> frozenset[str]:
        return frozenset(raw.reg_name(r) for r in registers)

    text = f"{raw.mnemonic} {raw.op_str}"
    reads, writes = raw.regs_access()
    loaded = (o.reg for o in raw.operands if o.type == ARM_OP_REG and o.access & CS_AC_WRITE)
    memory = next((o.mem for o in raw.operands if o.type == ARM_OP_MEM), None)
    return Instruction(
        text,
        raw.size,
        names(reads),
        names(writes),
        names(loaded) if _LOAD.match(text) else frozenset(),
        raw.reg_name(memory.base) or "" if memory else "",
        raw.reg_name(memory.index) or "" if memory and memory.index else "",
        _words(raw.op_str),
    )


def _words(operands: str) -> int:
    """Words of ``{r4, r5}`` or ``{d8, d9}``; 2 for LDRD and STRD, which have no list."""
    if "{" not in operands:
        return 2
    registers = operands[operands.index("{") + 1 : operands.index("}")].split(",")
    return sum(2 if r.strip().startswith("d") else 1 for r in registers)


def _pair(first: Instruction, second: Instruction) -> bool:
    if first.writes & (second.reads | second.writes):
        return False
    return not any(p.match(first.text) and p.match(second.text) for p in (_MEMORY, _MULTIPLY))
