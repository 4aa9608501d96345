"""Whether a plan fits a board, seen before anything is printed; what to do where it does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np

from ..errors import CompileError
from ..ir import DType, Graph, Node
from ..ops._hybrid import Hybrid
from ..plan import Plan, Step
from ..target.boards import Board, Memory, all_boards
from .build import TooLarge, too_large
from .placement import RESERVED

_MOST_BOARDS = 5
_MOST_WAYS = 2
_MOST_WORK = 1 << 30
"""Bytes of weights that layers read, those that several share once for each."""
WAYS: tuple[Mapping[str, str], ...] = (
    {"optimize": "ram"},
    {"optimize": "flash"},
    {"feed": "rows"},
    {"optimize": "ram", "feed": "rows"},
    {"optimize": "flash", "feed": "rows"},
)
"""Settings by which the same network may take less memory, those that change least first."""


class Planner(Protocol):
    """Plans a network for a board; changes: of the options."""

    def __call__(self, board: Board, **changes: str) -> Plan: ...


@dataclass(frozen=True)
class Way:
    """Settings by which a network takes less memory: how many bytes of weights and of activations
    less, which may be negative, by a plan; fits: whether it fits the board then, None where that
    is for its code to tell."""

    changes: Mapping[str, str]
    plan: Plan
    flash_saved: int
    ram_saved: int
    fits: bool | None

    @property
    def options(self) -> str:
        """As the command line takes them."""
        return " ".join(f"--{key} {word}" for key, word in self.changes.items())

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "options": self.options,
            "flash_saved_bytes": self.flash_saved,
            "ram_saved_bytes": self.ram_saved,
            "fits": self.fits,
            "source": PLANNED,
        }


PLANNED = "planned: weights and activations, with room for code"


def ways(lowered: Plan, board: Board, kinds: Sequence[str], plans: Planner) -> Iterator[Way]:
    """What would bring a plan below what it takes of some kinds of memory, ``flash`` and ``ram``;
    several settings at once only where none fits alone."""
    found: list[Way] = []
    for changes in WAYS:
        if len(changes) > 1 and any(way.fits for way in found):
            return
        if changes.get("optimize") == "flash" and "flash" not in kinds:
            continue
        try:
            made = plans(board, **changes)
        except CompileError:  # it cannot be fed by rows
            continue
        saved = {
            "flash": weight_bytes(lowered) - weight_bytes(made),
            "ram": lowered.arena_bytes - made.arena_bytes,
        }
        simpler = [w for w in found if changes.items() >= w.changes.items()]
        least = {
            "flash": max((w.flash_saved for w in simpler), default=0),
            "ram": max((w.ram_saved for w in simpler), default=0),
        }
        if any(saved[kind] > max(least[kind], 0) for kind in kinds):
            fits = _has_room(board, made) or (None if _may_fit(board, made) else False)
            found.append(Way(changes, made, saved["flash"], saved["ram"], fits))
            yield found[-1]


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
        remedies.append(_CALIBRATE)
    taken, name = heaviest.inputs[1].type.bytes, heaviest.output.name.split(";")[0]
    kind = type(heaviest.op).__name__
    raise TooLarge(
        "E401", f"{graph.name} on {board.name}",
        f"does not fit: its weights take at least {least:,} bytes, the flash has {room:,}; "
        f"most are in '{name}' ({kind}), {taken:,} bytes as they were read",
        _or([*remedies, _boards(names)]),
        ((board.flash, least - room),),
        {"layers": [{"name": name, "op": kind, "kind": "flash", "bytes": taken}],
         "boards": names, "ways": []},
    )  # fmt: skip


_CALIBRATE = "pass --calibrate data.npz (int8 takes a quarter of float32)"


def least_weights(graph: Graph, calibrated: bool, binary: bool) -> int:
    """A lower bound of the weights' bytes in flash, from a look at each constant.

    int8 counts one bit an element, what few levels or Rice codes come to at the least, as does
    float32 where it becomes int8 (``calibrated``), or signs in a network of ``binary`` layers. An
    int8 convolution loses channels whose filters are all zero, and the next layer what reads them.
    Equal weights are stored once.
    """
    sizes, lost = {}, 0.0
    for node in _weighted(graph):
        weights, axis = node.inputs[1], _weight_axis(node)
        assert weights.data is not None and axis is not None
        filters = np.moveaxis(weights.data, axis, 0).reshape(weights.type.shape[axis], -1)
        alive = float(filters.any(axis=1).mean())
        size: float = weights.type.dtype.size
        if weights.type.dtype is DType.I8 or (
            weights.type.dtype is DType.F32 and (binary or calibrated)
        ):
            size = 1 / 8
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
    short = weight_bytes(lowered) - _flash(board)
    if short > 0:
        over.append((board.flash, short))
    rams = [m for m in board.memory if m.kind == "ram" and arena in (None, m.name)]
    home = max(rams, key=lambda m: m.size, default=board.ram)
    if lowered.arena_bytes > home.size:
        over.append((home, lowered.arena_bytes - home.size))
    if over:
        raise too_large(board, lowered.graph.name, over)


def explained(error: TooLarge, lowered: Plan, board: Board, plans: Planner) -> TooLarge:
    """``error`` with what takes the room, and what would make it fit. plans: of the same network
    by the same options."""
    facts, remedies, layers = [], [], []
    if "flash" in error.kinds and lowered.steps:
        heaviest = max(lowered.steps, key=_constants)
        facts.append(
            f"the weights take {weight_bytes(lowered):,} bytes, {_constants(heaviest):,} of them "
            f"in {_layer(heaviest)}"
        )
        layers.append(_layer_facts(heaviest, "flash", _constants(heaviest)))
    if "ram" in error.kinds and lowered.steps:
        peak, alive = lowered.peak
        facts.append(
            f"the activations take {lowered.arena_bytes:,} bytes, {alive:,} of them at once, in "
            f"{_layer(lowered.steps[peak])}"
        )
        layers.append(_layer_facts(lowered.steps[peak], "ram", alive))
    found = list(ways(lowered, board, error.kinds, plans))
    told = [way for way in found if way.fits] or found
    told.sort(key=lambda way: -sum(_saved(way)[kind] for kind in error.kinds))
    for way in told[:_MOST_WAYS]:
        remedies.append(f"pass {way.options} ({_tells(way, error.kinds)})")
    if any(s.macs and s.node.outputs[0].type.dtype is DType.F32 for s in lowered.steps):
        remedies.append(_CALIBRATE)
    if facts and not remedies:
        remedies = ["make it smaller there"]
    larger = (b for b in with_room(lowered, error.kinds, plans) if b.name != board.name)
    names = [b.name for b in islice(larger, _MOST_BOARDS)]
    remedies.append(_boards(names))
    what = f"{error.what}: {'; '.join(facts)}" if facts else error.what
    more = {"layers": layers, "boards": names, "ways": [way.facts for way in found]}
    return replace(error, what=what, hint=_or(remedies), more=more)


def _saved(way: Way) -> dict[str, int]:
    return {"flash": way.flash_saved, "ram": way.ram_saved}


def _tells(way: Way, kinds: Sequence[str]) -> str:
    words = {"flash": "flash", "ram": "RAM"}
    saved = [f"{_saved(way)[k]:,} bytes of {words[k]}" for k in kinds if _saved(way)[k] > 0]
    verdict = {True: "fits", None: "may fit", False: "not enough"}[way.fits]
    return f"{' and '.join(saved)} less: {verdict}"


def _layer(step: Step) -> str:
    return f"layer {step.index} '{step.name}' ({type(step.node.op).__name__})"


def _layer_facts(step: Step, kind: str, bytes: int) -> dict[str, Any]:
    return {"index": step.index, "name": step.name, "op": type(step.node.op).__name__,
            "kind": kind, "bytes": bytes}  # fmt: skip


def _constants(step: Step) -> int:
    return sum(c.data.nbytes for c in step.binding.constants)


def weight_bytes(lowered: Plan) -> int:
    """Of all constants. Equal ones are stored once."""
    stored = {c.contents: c.data.nbytes for step in lowered.steps for c in step.binding.constants}
    return sum(stored.values())


def with_room(lowered: Plan, kinds: Sequence[str], plans: Planner) -> Iterable[Board]:
    """The boards that have room for a network, those with the least of the ``kinds`` of memory
    (``flash``, ``ram``) first; lowered: its plan for one, plans: for each."""

    def size(board: Board) -> int:
        return sum(m.size for m in board.memory if m.kind in kinds)

    weights = weight_bytes(lowered)
    known = {(lowered.core, lowered.features): [lowered]}
    for board in sorted(all_boards(), key=lambda b: (size(b), b.name)):
        # Weights and arena depend on core and memory only by what kernels pack and scratch, and
        # by chains.
        if weights > 2 * _flash(board) or lowered.arena_bytes > 2 * _room(board):
            continue
        there = known.setdefault((board.core.title, board.core.features), [])
        if not any(_has_room(board, made) for made in there):
            with contextlib.suppress(CompileError):  # what this core cannot compute
                there.append(plans(board))
        if any(_has_room(board, made) for made in there):
            yield board


def _has_room(board: Board, lowered: Plan) -> bool:
    """Whether a plan fits surely."""
    fits = weight_bytes(lowered) + _code(lowered) <= _flash(board)
    return fits and lowered.arena_bytes <= _room(board)


def _may_fit(board: Board, lowered: Plan) -> bool:
    """Whether a plan fits if its code is small."""
    return weight_bytes(lowered) <= _flash(board) and lowered.arena_bytes <= _room(board)


def _room(board: Board) -> int:
    """Bytes of the largest RAM for an arena."""
    return max(
        m.size - (RESERVED if m is board.ram else 0) for m in board.memory if m.kind == "ram"
    )


def _code(lowered: Plan) -> int:
    """More bytes than the firmware's instructions take: 2 to 8 KB, and up to 600 a layer, were
    measured."""
    return 8 * 1024 + 640 * len(lowered.steps)
