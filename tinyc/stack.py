"""Worst-case stack depth of a linked image, from its disassembly."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .errors import CompileError


def stack_depth(functions: Mapping[str, tuple[int, int]], code: bytes, base: int, root: str) -> int:
    """Bytes of stack that ``root`` and everything it calls can use, interrupts left out.

    functions: name -> (address, size); code: the bytes from address ``base`` on. A function's
    frame is the sum of everything that it ever takes off the stack pointer, an upper bound.
    Raises CompileError E103 for recursion or a frame of unknown size.
    """
    import capstone

    md = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    md.skipdata = True
    names = {address & ~1: name for name, (address, _) in functions.items()}
    ranges = sorted((a & ~1, (a & ~1) + size) for a, size in functions.values() if size)
    starts = {low for low, _ in ranges}
    frames: dict[int, tuple[int, set[int]]] = {}

    def frame(start: int, end: int) -> tuple[int, set[int]]:
        taken, calls = 0, set()
        literal: dict[str, int] = {}
        for ins in md.disasm(code[start - base : end - base], start):
            name, ops = ins.mnemonic, ins.op_str
            if name.startswith(("push", "vpush")) or re.match(r"(v?stmdb)\S* sp!", f"{name} {ops}"):
                taken += _registers(ops)
            elif name.startswith("sub") and ops.startswith("sp,"):
                number = re.search(r"#(0x[0-9a-f]+|\d+)$", ops)
                if number is None:
                    raise CompileError("E103", names.get(start, hex(start)), f"{name} {ops}")
                taken += int(number.group(1), 0)
            elif name.startswith("ldr") and "[pc" in ops:
                load = re.match(r"(\w+), \[pc, #(0x[0-9a-f]+|\d+)\]", ops)
                if load:
                    at = ((ins.address + 4) & ~3) + int(load.group(2), 0) - base
                    literal[load.group(1)] = int.from_bytes(
                        code[at : at + 4], "little", signed=True
                    )
            elif name.startswith("add") and re.match(r"sp, (sp, )?r\d+$", ops):
                value = literal.get(ops.split(", ")[-1])
                if value is None:
                    raise CompileError("E103", names.get(start, hex(start)), f"{name} {ops}")
                taken += max(0, -value)
            elif re.match(r"str\S* .*\[sp, #-(0x[0-9a-f]+|\d+)\]!", f"{name} {ops}"):
                taken += int(re.search(r"#-(0x[0-9a-f]+|\d+)", ops).group(1), 0)
            if re.match(r"b(l|\.w|[a-z]{2}|[a-z]{2}\.w)?$", name) and ops.startswith("#"):
                # A call or a tail call enters a function at its start; Clang also jumps far
                # within a function by BL on Armv6-M.
                target = int(ops[1:], 0)
                if target in starts and (name == "bl" or target != start):
                    calls.add(target)
        return taken, calls

    for low, high in ranges:
        frames[low] = frame(low, high)
    deepest: dict[int, int] = {}

    def depth(start: int, path: tuple[int, ...]) -> int:
        if start in path:
            raise CompileError("E103", names.get(start, hex(start)), "calls itself")
        if start not in deepest:
            taken, calls = frames[start]
            deepest[start] = taken + max((depth(c, (*path, start)) for c in calls), default=0)
        return deepest[start]

    address = functions[root][0] & ~1
    return depth(address, ())


def _registers(operands: str) -> int:
    """Bytes of a register list: ``{r4, r5, lr}`` or ``sp!, {d8, d9}``."""
    listed = operands[operands.index("{") + 1 : operands.index("}")]
    total = 0
    for item in listed.split(","):
        first, _, last = item.strip().partition("-")
        count = int(last[1:]) - int(first[1:]) + 1 if last else 1
        total += count * (8 if first.startswith("d") else 4)
    return total
