"""Whether a plan fits a board, seen before anything is printed; what to do where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .boards import Board, Memory, all_boards
from .build import TooLarge, too_large
from .errors import CompileError
from .ir import DType
from .placement import RESERVED
from .plan import Plan, Step, plan

_MOST_BOARDS = 5


def refuse_too_large(lowered: Plan, board: Board, arena: str | None = None) -> None:
    """Raise `TooLarge` where the weights alone, or the arena alone, are larger than all that the
    board has for them. arena: the memory that is to hold the arena, by default any RAM."""
    over: list[tuple[Memory, int]] = []
    short = _weights(lowered) - sum(m.size for m in board.memory if m.kind == "flash")
    if short > 0:
        over.append((board.flash, short))
    rams = [m for m in board.memory if m.kind == "ram" and arena in (None, m.name)]
    home = max(rams, key=lambda m: m.size, default=board.ram)
    if lowered.arena_bytes > home.size:
        over.append((home, lowered.arena_bytes - home.size))
    if over:
        raise too_large(board, lowered.graph.name, over)


def explained(error: TooLarge, lowered: Plan, board: Board) -> CompileError:
    """``error`` with what takes the room, and what would make it fit."""
    facts, remedies = [], []
    if "flash" in error.kinds and lowered.steps:
        heaviest = max(lowered.steps, key=_constants)
        facts.append(
            f"the weights take {_weights(lowered):,} bytes, {_constants(heaviest):,} of them in "
            f"{_layer(heaviest)}"
        )
        remedies.append("use fewer weights there")
    if "ram" in error.kinds and lowered.steps:
        peak, alive = lowered.peak
        facts.append(
            f"the activations take {lowered.arena_bytes:,} bytes, {alive:,} of them at once, in "
            f"{_layer(lowered.steps[peak])}"
        )
        remedies.append("make the activations smaller there")
    if any(s.macs and s.node.outputs[0].type.dtype is DType.F32 for s in lowered.steps):
        remedies.append("pass --calibrate data.npz (int8 takes a quarter of float32)")
    names = [b.name for b in _with_room(lowered, error.kinds) if b is not board][:_MOST_BOARDS]
    remedies.append(
        f"choose a board with room: {', '.join(names)}"
        if names
        else "split the work: none of tinyc's boards has room for it"
    )
    *first, last = remedies
    hint = f"{', '.join(first)}, or {last}" if first else last
    what = f"{error.what}: {'; '.join(facts)}" if facts else error.what
    return replace(error, what=what, hint=hint)


def _layer(step: Step) -> str:
    return f"layer {step.index} '{step.name}' ({type(step.node.op).__name__})"


def _constants(step: Step) -> int:
    return sum(c.data.nbytes for c in step.binding.constants)


def _weights(lowered: Plan) -> int:
    return sum(map(_constants, lowered.steps))


def _with_room(lowered: Plan, kinds: Sequence[str]) -> Iterable[Board]:
    """The boards that have room, those with the least of the ``kinds`` of memory first."""

    def size(board: Board) -> int:
        return sum(m.size for m in board.memory if m.kind in kinds)

    plans = {lowered.features: lowered}
    weights = _weights(lowered)
    for board in sorted(all_boards(), key=lambda b: (size(b), b.name)):
        flash = sum(m.size for m in board.memory if m.kind == "flash")
        room = max(m.size - (RESERVED if m is board.ram else 0) for m in board.memory
                   if m.kind == "ram")  # fmt: skip
        # Weights and arena depend on the core's kernels only by what those pack and scratch.
        if weights > 2 * flash or lowered.arena_bytes > 2 * room:
            continue
        features = board.core.features
        if features not in plans:
            plans[features] = plan(lowered.graph, board.core.title, features)
        there = plans[features]
        if _weights(there) + _code(there) <= flash and there.arena_bytes <= room:
            yield board


def _code(lowered: Plan) -> int:
    """More bytes than the firmware's instructions take: 2 to 8 KB, and up to 600 a layer, were
    measured."""
    return 8 * 1024 + 640 * len(lowered.steps)
