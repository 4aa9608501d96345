"""The cycle model: executed blocks priced by the core's documented timing.

A core's ``[timing]`` table (boards/cores/*.toml, with its source) holds a list of instruction
classes: the first whose ``match`` fits the mnemonic gives ``cycles`` and ``per_register`` (for
register lists). ``taken`` is added for each branch that is taken, ``load_stall`` for each load
that no other load or store follows, ``load_use`` for each load whose result the next
instruction reads; ``dual_issue`` lets an instruction share its cycle with the one before where
neither depends on the other and they do not both use the memory port or the multiplier.
Flash has no wait states in this model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..boards import Core

_LOAD = re.compile(r"ldr(b|h|sb|sh|d)?(\.w)?$|vldr")
_MEMORY = re.compile(r"v?(ldr|str|ldm|stm)|v?(push|pop)")
_MULTIPLY = re.compile(r"mul|mla|mls|sml|smu|uml|umu|smm")


@dataclass(frozen=True)
class Block:
    """Cost of one straight-line piece of code, in instructions and cycles."""

    instructions: int
    cycles: float


class CycleModel:
    """Prices code of one core. ``code``: bytes that start at address ``base``."""

    def __init__(self, core: Core, code: bytes, base: int) -> None:
        import capstone

        self._timing: dict[str, Any] = core.timing
        self._classes = [
            (re.compile(c["match"]), float(c["cycles"]), float(c.get("per_register", 0)))
            for c in core.timing["class"]
        ]
        self._code, self._base = code, base
        self._md = capstone.Cs(
            capstone.CS_ARCH_ARM,
            capstone.CS_MODE_THUMB
            | (
                capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
                if "m33" in core.name
                else capstone.CS_MODE_MCLASS
            ),
        )
        self._md.detail = True
        self.taken = float(core.timing["taken"])
        self.block = cache(self._block)

    def _block(self, address: int, size: int) -> Block:
        start = address - self._base
        listing = list(self._md.disasm(self._code[start : start + size], address))
        return Block(len(listing), self._price(listing))

    def _price(self, listing: list[Any]) -> float:
        total = 0.0
        stall = float(self._timing.get("load_stall", 0))
        use = float(self._timing.get("load_use", 0))
        paired = False  # whether the instruction before already shares its cycle
        for i, ins in enumerate(listing):
            following = listing[i + 1] if i + 1 < len(listing) else None
            cost = self._base_cost(ins)
            if _LOAD.match(ins.mnemonic):
                if following is None or not _MEMORY.match(following.mnemonic):
                    cost += stall
                if use and following is not None and _depends(ins, following):
                    cost += use
            if (
                self._timing.get("dual_issue")
                and i
                and not paired
                and self._pair(listing[i - 1], ins)
            ):
                cost = max(0.0, cost - 1)
                paired = True
            else:
                paired = False
            total += cost
        return total

    def _base_cost(self, ins: Any) -> float:
        for pattern, cycles, per_register in self._classes:
            if pattern.match(ins.mnemonic):
                registers = _list_length(ins.op_str) if per_register else 0
                return cycles + per_register * registers
        return 1.0

    @staticmethod
    def _pair(first: Any, second: Any) -> bool:
        if _depends(first, second):
            return False
        both_memory = _MEMORY.match(first.mnemonic) and _MEMORY.match(second.mnemonic)
        both_multiply = _MULTIPLY.match(first.mnemonic) and _MULTIPLY.match(second.mnemonic)
        return not both_memory and not both_multiply


def _depends(first: Any, second: Any) -> bool:
    """Whether the second instruction reads or writes a register that the first writes."""
    _, written = first.regs_access()
    read, rewritten = second.regs_access()
    return bool(set(written) & (set(read) | set(rewritten)))


def _list_length(operands: str) -> int:
    """Registers of ``{r4, r5, r6}``; 2 for LDRD and STRD, which have no list."""
    if "{" not in operands:
        return 2
    return operands[operands.index("{") : operands.index("}")].count(",") + 1


def price(model: CycleModel, blocks: Iterable[tuple[int, int, int, int]]) -> tuple[int, float]:
    """(instructions, cycles) of (address, size, executions, branches taken) of each block."""
    instructions, cycles = 0, 0.0
    for address, size, count, taken in blocks:
        block = model.block(address, size)
        instructions += block.instructions * count
        cycles += block.cycles * count + model.taken * taken
    return instructions, cycles


def source(core: Core) -> str:
    """Where figures of this model come from, as every report states it."""
    return f"cycles (modelled, {core.title}, zero wait states)"
