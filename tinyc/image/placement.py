"""Which of a board's memories holds the arena, and which holds each array of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..emit.emitter import Library
from ..errors import CompileError
from ..target.boards import Board, Memory

RESERVED = 2048
"""Bytes of the first RAM that are left to the stack and the firmware's own data."""


@dataclass(frozen=True)
class Placement:
    """arena: the memory in which the arena lies; weights: the memories other than the first
    flash, each with the C names of its arrays, in the order of the linker script. What lies in
    RAM is copied there at start-up."""

    arena: Memory
    weights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def place(
    library: Library,
    board: Board,
    arena: str | None = None,
    weights: Sequence[str] = (),
) -> Placement:
    """Place the arena and the weights of ``library``.

    arena: a memory of the board; by default the first RAM that it fits, beside `RESERVED` bytes
    in the first of all. weights: memories to be filled in this order, by default the flash
    memories; the largest arrays choose first, and one that fits none of them lies in the last.
    Raises CompileError E209 for a memory that the board has not, or that cannot hold an arena.
    """
    size = library.arena_bytes
    rams = [m for m in board.memory if m.kind == "ram"]
    room = {m.name: m.size - (RESERVED if m is board.ram else 0) for m in board.memory}
    if arena is None:
        home = next((m for m in rams if size <= room[m.name]), board.ram)
    else:
        home = _memory(board, arena, "placement.arena")
        if home.kind != "ram":
            raise CompileError(
                "E209", "placement.arena", f"{arena} is flash",
                f"use one of {', '.join(m.name for m in rams)}",
            )  # fmt: skip
    room[home.name] -= size
    order = [_memory(board, w, "placement.weights") for w in weights]
    order = order or [m for m in board.memory if m.kind == "flash"]
    places: dict[str, list[str]] = {}
    # The linker rounds each up to words.
    lengths = {array.symbol: -(-array.bytes // 4) * 4 for array in library.arrays}
    for array, length in sorted(lengths.items(), key=lambda item: -item[1]):
        chosen = next((m for m in order if length <= room[m.name]), order[-1])
        room[chosen.name] -= length
        if chosen is not board.flash:
            places.setdefault(chosen.name, []).append(array)
    names = [m.name for m in board.memory if m.name in places]
    return Placement(home, {m: tuple(sorted(places[m])) for m in names})


def _memory(board: Board, name: str, key: str) -> Memory:
    for memory in board.memory:
        if memory.name == name:
            return memory
    names = ", ".join(m.name for m in board.memory)
    raise CompileError("E209", key, f"{board.name} has no memory {name}", f"use one of {names}")
