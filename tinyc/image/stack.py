"""Worst-case stack depth of a linked image, from its disassembly."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..errors import CompileError

_NUMBER = r"#(-?(?:0x[0-9a-f]+|\d+))"
_PUSH = re.compile(r"v?push\S* \{|v?stmdb\S* sp!")
_STORE_BELOW = re.compile(rf"str\S* .*\[sp, {_NUMBER}\]!")
_MOVE_SP = re.compile(r"(add|sub)\S* sp, (?:sp, )?(.*)")
_LITERAL = re.compile(rf"ldr\S* (\w+), \[pc, {_NUMBER}\]")
_CONSTANT = re.compile(rf"(mov|movt|lsl|rsb|add)[sw]?(?:\.w)? (\w+), (?:(\w+), )?{_NUMBER}")
_BRANCH = re.compile(rf"b(l|\.w|[a-z]{{2}}|[a-z]{{2}}\.w)? {_NUMBER}")


@dataclass(frozen=True)
class Frame:
    """What a function of a chain of calls takes off the stack, in bytes."""

    function: str
    bytes: int


def deepest_calls(
    functions: Mapping[str, tuple[int, int]],
    marks: Sequence[tuple[int, str]],
    code: bytes,
    base: int,
    root: str,
) -> tuple[Frame, ...]:
    """The calls from ``root`` on that together take most bytes of stack, interrupts left out.

    functions: name -> (address, size); marks: the mapping symbols of the ELF for the Arm
    Architecture, 5.5.5 (address, ``$t`` code or ``$d`` data), sorted; code: the bytes from
    address ``base`` on. A function's frame is the sum of everything that it ever takes off the
    stack pointer, an upper bound; one whose address it loads counts as called. Raises
    CompileError E103 for recursion, a frame of unknown size or an unknown callee.
    """
    import capstone

    md = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    md.skipdata = True
    names = {address & ~1: name for name, (address, _) in functions.items()}
    starts = sorted(names)
    spans = [
        (address, mark, following)
        for (address, mark), (following, _) in zip(
            marks, [*marks[1:], (base + len(code), "")], strict=True
        )
        if mark.startswith("$t")
    ]
    taken = dict.fromkeys(starts, 0)
    called: dict[int, set[int]] = {start: set() for start in starts}
    sizes = {address & ~1: 0 for address, _ in functions.values()}
    for address, size in functions.values():
        sizes[address & ~1] = max(size, sizes[address & ~1])

    def owner(address: int) -> int | None:
        """The function there. Assembly routines need not carry a size: as far as the next."""
        index = bisect_right(starts, address) - 1
        if index < 0:
            return None
        start = starts[index]
        return start if not sizes[start] or address < start + sizes[start] else None

    def problem(start: int, what: str) -> CompileError:
        return CompileError("E103", names[start], f"no bound of its stack: {what}")

    for low, _, high in spans:
        known: dict[str, int] = {}
        for ins in md.disasm(code[low - base : high - base], low):
            start = owner(ins.address)
            if start is None:
                continue
            text = f"{ins.mnemonic} {ins.op_str}"
            if _PUSH.match(text):
                taken[start] += _registers(ins.op_str)
            elif match := _STORE_BELOW.match(text):
                taken[start] += max(0, -int(match[1], 0))
            elif match := _MOVE_SP.match(text):
                taken[start] += _taken(match, known, partial(problem, start, text))
            elif match := _LITERAL.match(text):
                at = ((ins.address + 4) & ~3) + int(match[2], 0) - base
                value = int.from_bytes(code[at : at + 4], "little", signed=True)
                known[match[1]] = value
                if value & 1 and value - 1 in taken and value - 1 != start:
                    called[start].add(value - 1)
            elif match := _CONSTANT.match(text):
                _track(match, known)
            elif match := _BRANCH.match(text):
                # A call or a tail call enters a function at its start; Clang also jumps far
                # within a function by BL on Armv6-M.
                target = int(match[2], 0)
                if target in taken and (match[1] == "l" or target != start):
                    called[start].add(target)
            elif ins.mnemonic == "blx" and not called[start]:
                raise problem(start, text)

    deepest: dict[int, tuple[int, tuple[int, ...]]] = {}

    def depth(start: int, path: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """(bytes, the functions that take them); of equals those of the lower addresses."""
        if start in path:
            raise problem(start, "it calls itself")
        if start not in deepest:
            below = (depth(c, (*path, start)) for c in sorted(called[start]))
            most, calls = max(below, key=lambda found: found[0], default=(0, ()))
            deepest[start] = taken[start] + most, (start, *calls)
        return deepest[start]

    _, calls = depth(functions[root][0] & ~1, ())
    return tuple(Frame(names[start], taken[start]) for start in calls)


def _taken(
    match: re.Match[str], known: Mapping[str, int], problem: Callable[[], CompileError]
) -> int:
    """Bytes that ``add sp, ...`` or ``sub sp, ...`` takes off the stack pointer."""
    operation, operand = match.groups()
    number = re.fullmatch(_NUMBER, operand)
    value = int(number[1], 0) if number else known.get(operand)
    if value is None:
        raise problem()
    return max(0, value if operation == "sub" else -value)


def _track(match: re.Match[str], known: dict[str, int]) -> None:
    """Follow the ways in which compilers make a large constant in a register."""
    operation, to, source, number = match[1], match[2], match[3] or match[2], int(match[4], 0)
    if operation == "mov":
        known[to] = number
    elif source not in known:
        known.pop(to, None)
    elif operation == "movt":
        known[to] = number << 16 | known[source] & 0xFFFF
    elif operation == "lsl":
        known[to] = known[source] << number
    elif operation == "rsb":
        known[to] = number - known[source]
    else:
        known[to] = known[source] + number


def _registers(operands: str) -> int:
    """Bytes of a register list: ``{r4, r5, lr}`` or ``sp!, {d8, d9}``."""
    listed = operands[operands.index("{") + 1 : operands.index("}")]
    return sum(8 if item.strip().startswith("d") else 4 for item in listed.split(","))
