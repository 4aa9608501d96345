"""Constants in fewer bytes, for builds that optimize flash: unpacked into the arena, a layer or a
piece of one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Node, applies
from ..kernels.base import Binding, Constant, Packing, Unpacked
from ..kernels.packed import READ_AHEAD, bundle, period
from ..ops._move import taken
from ..ops.fully_connected import FullyConnected
from .plan import aligned
from .step import Step

PIECE = 6144
"""Most bytes that a piece of a layer is unpacked to."""
SPARE = (20480, 8192, 0)
"""By how many bytes a whole layer that is unpacked may make the arena grow, if there is room."""
LONGEST = 0xFFFF
"""Most bytes of an array: a stream says how many by two."""
UNITS = (8, 4, 1)
"""In which numbers of layers may be counted, so that the compiler sees what divides them."""
CALL = 16
"""Bytes of code that unpack a layer's constants."""
UNPACK = 256
"""Bytes of tinyc_unpack."""


@dataclass(frozen=True)
class _Parts:
    """A layer of so many ``outputs``, computed in ``pieces``; chosen: which of a piece's constants
    are packed, all where there is more than one."""

    pieces: Sequence[Binding]
    chosen: Sequence[int]
    outputs: int

    @property
    def arrays(self) -> list[Constant]:
        return [self.pieces[0].constants[i] for i in self.chosen]

    def stream(self, numbers: Array) -> bytes:
        """What is unpacked, piece by piece. Of the numbers a later one says that they are there."""
        found = b""
        for piece in self.pieces:
            arrays = [piece.constants[i].data for i in self.chosen]
            periods = [period(c) for c in self.arrays]
            if numbers.size:
                arrays.insert(0, numbers)
                periods.insert(0, 0 if found else numbers.itemsize)
            found += bundle(arrays, periods)
        return found


def packed(steps: Sequence[Step], spare: int = SPARE[0]) -> tuple[Step, ...]:
    """The steps with packed constants wherever they are smaller, if that pays for the code."""
    room = max((_alive(step) for step in steps), default=0) + spare
    found = {step: _parts(step, room) for step in steps if step.kernel.varying is not None}
    alike: dict[tuple[object, ...], list[Step]] = {}
    for step, made in found.items():
        if made.chosen:
            alike.setdefault(_shape(step, made), []).append(step)
    bindings: dict[Step, Binding] = {}
    for group in alike.values():
        bound = _group({step: found[step] for step in group})
        # A body that is there for others is worth more than what packing costs.
        if len(group) > 1 or _bytes(bound[group[0]]) < _bytes(group[0].binding):
            bindings |= bound
    saved = sum(_bytes(step.binding) - _bytes(binding) for step, binding in bindings.items())
    if saved <= UNPACK:
        return tuple(steps)
    return tuple(replace(s, binding=bindings.get(s, s.binding)) for s in steps)


def _alive(step: Step) -> int:
    """Bytes of the arena that a step needs at the least."""
    values = (*step.node.variable_inputs, *step.node.outputs)
    return sum(v.type.bytes for v in values) + step.binding.scratch


def _bytes(binding: Binding) -> int:
    return sum(c.data.nbytes for c in binding.constants) + (CALL if binding.packing else 0)


def _parts(step: Step, room: int) -> _Parts:
    """What may be packed of a step, so that it has room in the arena."""
    whole = step.binding
    outputs = step.node.output.type.elements
    free = min(room - _alive(step), LONGEST)
    arrays = sorted(whole.constants, key=lambda c: c.data.nbytes)
    while arrays and _unpacked_bytes(arrays) > min(free, PIECE):
        pieces = next(_pieces(step), None)
        if pieces is not None:
            return _Parts(pieces, range(len(pieces[0].constants)), outputs)
        if _unpacked_bytes(arrays) <= free:
            break
        arrays.pop()
    return _Parts([whole], [i for i, c in enumerate(whole.constants) if c in arrays], outputs)


def _shape(step: Step, parts: _Parts) -> tuple[object, ...]:
    """What packed layers have in common that may share a body."""
    first = parts.pieces[0]
    arrays = [(c.suffix, c.data.dtype.name, c in parts.arrays) for c in first.constants]
    free = _free(step)
    fixed = {n: v for n, v in first.params.items() if n not in free or isinstance(v, float)}
    return step.kernel.name, str(fixed), str(arrays), first.scratch > 0


def _free(step: Step) -> tuple[str, ...]:
    """In which parameters layers of a body may differ."""
    return (*(step.kernel.varying or ()), *step.kernel.sized)


def _group(group: Mapping[Step, _Parts]) -> dict[Step, Binding]:
    """The bindings of the layers of one body: what they differ in stands before their arrays."""
    size = 0
    while True:  # until the numbers have the bytes that the places behind them count with
        rows = [_numbers(step, parts, size) for step, parts in group.items()]
        columns = {name: tuple(row[name] for row in rows) for name in rows[0]}
        differing = {name: column for name, column in columns.items() if len(set(column)) > 1}
        members = {column: name for name, column in reversed(differing.items())}
        units = {c: next(u for u in UNITS if not any(v % u for v in c)) for c in members}
        numbers = {members[c]: [v // units[c] for v in c] for c in differing.values()}
        most = max((abs(v) for column in numbers.values() for v in column), default=0)
        dtype = np.dtype(np.int16 if most < 1 << 15 else np.int32)
        if aligned(len(numbers) * dtype.itemsize) == size:
            break
        size = aligned(len(numbers) * dtype.itemsize)
    fields = {name: (members[column], units[column]) for name, column in differing.items()}
    return {
        step: _form(parts, np.array([n[i] for n in numbers.values()], dtype), fields, size)
        for i, (step, parts) in enumerate(group.items())
    }


def _numbers(step: Step, parts: _Parts, size: int) -> dict[str, int]:
    """In what a layer may differ from others of its body."""
    params = parts.pieces[0].params
    own = {n: params[n] for n in _free(step) if n in params}
    return own | _places(parts, size)


def _places(parts: _Parts, at: int) -> dict[str, int]:
    """Where in the working memory the arrays lie, from ``at`` on, and the kernel's own memory."""
    found = {}
    for array in parts.arrays:
        found[f"{array.suffix}_at"] = at
        at += aligned(array.data.nbytes)
    return {**found, "scratch_at": at} if parts.pieces[0].scratch else found


def _unpacked_bytes(constants: Iterable[Constant]) -> int:
    return sum(aligned(c.data.nbytes) for c in constants)


def _pieces(step: Step) -> Iterator[list[Binding]]:
    """Bindings for equal parts of a layer's outputs that lie one after the other and are small
    enough, the largest parts first. None differs from the others but in its arrays."""
    node, kernel = step.node, step.kernel
    if (
        not applies(node, FullyConnected)
        or node.output.type.elements != node.inputs[2].type.elements
    ):
        return
    channels = node.output.type.elements
    for count in range(channels // 8 * 8, 0, -8):
        if channels % count:
            continue
        parts = [_part(node, range(c, c + count)) for c in range(0, channels, count)]
        if any(kernel.reject(part) is not None for part in parts):
            continue
        pieces = [kernel.bind(part) for part in parts]
        alike = {
            (str(p.params), p.scratch, tuple(c.data.nbytes for c in p.constants)) for p in pieces
        }
        if len(alike) == 1 and _unpacked_bytes(pieces[0].constants) <= PIECE:
            yield pieces


def _part(node: Node[FullyConnected], channels: range) -> Node[FullyConnected]:
    """The layer with some of its channels."""
    x, weights, bias = node.inputs
    shape = (*node.output.type.shape[:-1], len(channels))
    output = replace(node.output, type=replace(node.output.type, shape=shape))
    last = len(bias.type.shape) - 1
    inputs = (x, taken(weights, 0, channels), taken(bias, last, channels))
    return replace(node, inputs=inputs, outputs=(output,))


def _form(
    parts: _Parts, numbers: Array, fields: Mapping[str, tuple[str, int]], size: int
) -> Binding:
    """The binding of a layer whose constants are packed, behind the numbers of its own."""
    first, places = parts.pieces[0], _places(parts, size)
    stream = parts.stream(numbers)
    arrays = [Unpacked(c.suffix, c.data.dtype.name, places[f"{c.suffix}_at"]) for c in parts.arrays]
    notes = "; ".join(c.note for c in parts.arrays)
    data = np.frombuffer(stream + bytes(READ_AHEAD), np.uint8)
    others = (c for i, c in enumerate(first.constants) if i not in parts.chosen)
    count = len(parts.pieces)
    return replace(
        first,
        constants=(Constant("packed", data, f"packed: {notes}"), *others),
        scratch=size + _unpacked_bytes(parts.arrays) + first.scratch,
        support=(*first.support, "tinyc_unpack.h"),
        packing=Packing(
            fields, numbers.dtype.name, tuple(arrays), places.get("scratch_at"), count,
            parts.outputs // count,
        ),
    )  # fmt: skip
