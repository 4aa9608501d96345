"""Whether a plan fits a board, seen before anything is printed; what to do where it does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import CompileError
from ..ir import DType, Graph, Node
from ..ops._hybrid import Hybrid
from ..plan import Plan, Step, plan
from ..target.boards import Board, Memory, all_boards
from .build import TooLarge, too_large
from .placement import RESERVED

_MOST_BOARDS = 5
_MOST_WORK = 1 << 30
"""Bytes of weights that layers read, those that several share once for each."""


def refuse_heavy(graph: Graph, board: Board, calibrated: bool, binary: bool) -> None:
    """Raise E401 if what must remain of the weights of a network as it was read exceeds the flash
    of the board; calibrated, binary: see `least_weights`."""
    least = least_weights(graph, calibrated, binary)
    room = _flash(board)
    work = sum(node.inputs[1].type.bytes for node in _weighted(graph))
    if work > _MOST_WORK:
        raise CompileError(
            "E401", f"{graph.name} on {board.name}",
            f"does not fit: its layers read {work:,} bytes of weights", "use fewer layers",
        )  # fmt: skip
    if least <= room:
        return
    heaviest = max(_weighted(graph), key=lambda node: node.inputs[1].type.bytes)
    names = [b.name for b in sorted(all_boards(), key=lambda b: (_flash(b), b.name))
             if _flash(b) >= least]  # fmt: skip
    real = any(node.inputs[1].type.dtype is DType.F32 for node in _weighted(graph))
    remedies = ["use fewer weights there"]
    if real and not calibrated:
        remedies.append("pass --calibrate data.npz (int8 takes a quarter of float32)")
    raise CompileError(
        "E401", f"{graph.name} on {board.name}",
        f"does not fit: its weights take at least {least:,} bytes, the flash has {room:,}; "
        f"{heaviest.inputs[1].type.bytes:,} of them are in '{heaviest.output.name.split(';')[0]}' "
        f"({type(heaviest.op).__name__})",
        _or([*remedies, _boards(names)]),
    )  # fmt: skip


def least_weights(graph: Graph, calibrated: bool, binary: bool) -> int:
    """A lower bound of the weights' bytes in flash, from a look at each constant.

    float32 counts one byte an element where it becomes int8 (``calibrated``), and one bit in a
    network of ``binary`` layers, where it may become signs. An int8 convolution loses channels
    whose filters are all zero, and the next layer what reads them. Equal weights are stored once.
    """
    sizes, lost = {}, 0.0
    for node in _weighted(graph):
        weights, axis = node.inputs[1], _weight_axis(node)
        assert weights.data is not None and axis is not None
        filters = np.moveaxis(weights.data, axis, 0).reshape(weights.type.shape[axis], -1)
        alive = float(filters.any(axis=1).mean())
        size: float = weights.type.dtype.size
        if weights.type.dtype is DType.F32:
            size = 1 / 8 if binary else 1 if calibrated else size
        # The same place in the file: the loop that it stands in was unrolled.
        place = weights.data.__array_interface__["data"][0], weights.type.shape
        sizes[place] = alive * weights.type.elements * size
        lost += 1 - alive
    return int(sum(sizes.values()) * max(0.0, 1 - lost))


def _weighted(graph: Graph) -> list[Node]:
    return [
        n
        for n in graph.nodes
        if _weight_axis(n) is not None and len(n.inputs) > 1 and n.inputs[1].data is not None
    ]


def _weight_axis(node: Node) -> int | None:
    return (node.op.layer if isinstance(node.op, Hybrid) else node.op).weight_axis


def _flash(board: Board) -> int:
    return sum(m.size for m in board.memory if m.kind == "flash")


def _boards(names: Sequence[str]) -> str:
    if names:
        return f"choose a board with room: {', '.join(names[:_MOST_BOARDS])}"
    return "split the work: none of tinyc's boards has room for it"


def _or(remedies: Sequence[str]) -> str:
    *first, last = remedies
    return f"{', '.join(first)}, or {last}" if first else last


def refuse_too_large(lowered: Plan, board: Board, arena: str | None = None) -> None:
    """Raise `TooLarge` where the weights alone, or the arena alone, are larger than all that the
    board has for them. arena: the memory that is to hold the arena, by default any RAM."""
    over: list[tuple[Memory, int]] = []
    short = _weights(lowered) - _flash(board)
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
    remedies.append(_boards([b.name for b in with_room(lowered, error.kinds) if b is not board]))
    what = f"{error.what}: {'; '.join(facts)}" if facts else error.what
    return replace(error, what=what, hint=_or(remedies))


def _layer(step: Step) -> str:
    return f"layer {step.index} '{step.name}' ({type(step.node.op).__name__})"


def _constants(step: Step) -> int:
    return sum(c.data.nbytes for c in step.binding.constants)


def _weights(lowered: Plan) -> int:
    """Equal constants are stored once."""
    stored = {c.contents: c.data.nbytes for step in lowered.steps for c in step.binding.constants}
    return sum(stored.values())


def with_room(lowered: Plan, kinds: Sequence[str]) -> Iterable[Board]:
    """The boards that have room for a plan, those with the least of the ``kinds`` of memory
    (``flash``, ``ram``) first."""

    def size(board: Board) -> int:
        return sum(m.size for m in board.memory if m.kind in kinds)

    plans = {lowered.features: lowered}
    weights = _weights(lowered)
    for board in sorted(all_boards(), key=lambda b: (size(b), b.name)):
        flash = _flash(board)
        room = max(m.size - (RESERVED if m is board.ram else 0) for m in board.memory
                   if m.kind == "ram")  # fmt: skip
        # Weights and arena depend on the core's kernels only by what those pack and scratch.
        if weights > 2 * flash or lowered.arena_bytes > 2 * room:
            continue
        features = board.core.features
        if features not in plans:
            feed = "whole" if lowered.fed is None else "rows"
            plans[features] = plan(lowered.graph, board.core.title, features, feed=feed)
        there = plans[features]
        if _weights(there) + _code(there) <= flash and there.arena_bytes <= room:
            yield board


def _code(lowered: Plan) -> int:
    """More bytes than the firmware's instructions take: 2 to 8 KB, and up to 600 a layer, were
    measured."""
    return 8 * 1024 + 640 * len(lowered.steps)
