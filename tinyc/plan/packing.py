"""Constants in fewer bytes, unpacked into the arena, a layer or a piece of one at a time: in Rice
codes for builds that optimize flash, weights of few levels also for others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, Node, applies
from ..kernels import levels
from ..kernels import packed as rice
from ..kernels.base import Binding, Constant, Packing, Unpacked
from ..kernels.cost import cycles
from ..ops._mixins import Weighted
from ..ops._move import taken
from ..ops.conv2d import Conv2d
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
UNPACK, UNPACK_TWOS, UNPACK_LEVELS = 256, 128, 1024
"""Bytes of tinyc_unpack, of what more tinyc_unpack_two_of_four has, and of tinyc_unpack_levels."""
COPY = 1
"""Cycles of a byte of the output that is copied."""
LONGER = {"balanced": 0.05, "ram": 0.05, "speed": 0.02}
"""By what part a layer may take longer whose constants of few levels are unpacked."""


@dataclass(frozen=True)
class _Parts:
    """A layer of so many ``outputs``, computed in ``pieces``; chosen: which of a piece's constants
    are packed, all where there is more than one; by_levels: by `tinyc.kernels.levels`, else in Rice
    codes; twos: and in such of two of four bytes; fast: whether a body is to know what makes it
    quicker; channels: of the whole output, where a piece makes some of every pixel."""

    pieces: Sequence[Binding]
    chosen: Sequence[int]
    outputs: int
    by_levels: bool = False
    fast: bool = False
    channels: int = 0
    twos: bool = False

    @property
    def arrays(self) -> list[Constant]:
        return [self.pieces[0].constants[i] for i in self.chosen]

    @property
    def scratch(self) -> int:
        """Bytes of what is made to unpack the arrays, and then the kernel's own memory."""
        if not self.by_levels:
            return self.pieces[0].scratch
        arrays = [p.constants[i].data for p in self.pieces for i in self.chosen]
        return max(self.pieces[0].scratch, levels.table_bytes(arrays))

    @property
    def memory(self) -> int:
        """Bytes of all working memory, but for the numbers."""
        arrays = _unpacked_bytes(self.arrays)
        if not self.channels:
            return arrays + self.scratch
        return arrays + aligned(self.scratch) + aligned(self.outputs // len(self.pieces))

    def stream(self, numbers: Array) -> Array:
        """What is unpacked, piece by piece. Of the numbers a later one says that they are there."""
        return self._levels(numbers) if self.by_levels else self._rice(numbers)

    def _rice(self, numbers: Array) -> Array:
        found = b""
        for piece in self.pieces:
            arrays = [piece.constants[i].data for i in self.chosen]
            periods = [rice.period(c, self.twos) for c in self.arrays]
            if numbers.size:
                arrays.insert(0, numbers)
                periods.insert(0, 0 if found else numbers.itemsize)
            found += rice.bundle(arrays, periods, self.twos)
        return np.frombuffer(found + bytes(rice.READ_AHEAD), np.uint8)

    def _levels(self, numbers: Array) -> Array:
        found = []
        for piece in self.pieces:
            arrays = [piece.constants[i].data for i in self.chosen]
            if numbers.size:
                arrays.insert(0, numbers)
            found.append(levels.bundle(arrays, sum(aligned(data.nbytes) for data in arrays)))
        return np.concatenate(found)


def packed(steps: Sequence[Step], spare: int = SPARE[0]) -> tuple[Step, ...]:
    """The steps with packed constants wherever they are smaller, if that pays for the code."""
    room = max((_alive(step) for step in steps), default=0) + spare
    found = {step: _parts(step, room) for step in steps if step.kernel.varying is not None}
    coded = _packed(steps, found)
    twos = {step: replace(parts, twos=True) for step, parts in found.items()}
    if any(_stream_bytes(twos[s]) < _stream_bytes(p) for s, p in found.items() if _zeros(s)):
        others = _packed(steps, twos)
        if _saved(coded, others) > UNPACK_TWOS:
            found, coded = twos, others
    few = {step: replace(parts, by_levels=True) for step, parts in found.items() if _few(parts)}
    if not few:
        return coded
    few = {s: p for s, p in few.items() if _stream_bytes(p) < _stream_bytes(found[s])}
    others = _packed(steps, {**found, **few})
    return others if _saved(coded, others) > UNPACK_LEVELS else coded


def _saved(steps: Sequence[Step], others: Sequence[Step]) -> int:
    """How many bytes the others are less."""
    return sum(_bytes(a.binding) - _bytes(b.binding) for a, b in zip(steps, others, strict=True))


def _zeros(step: Step) -> bool:
    """Whether half of a layer's weights are zero."""
    node = step.node
    data = node.inputs[1].data if applies(node, Weighted) else None
    return data is not None and 2 * np.count_nonzero(data) <= data.size


def _few(parts: _Parts) -> bool:
    """Whether any of its arrays has few levels."""
    return any(levels.levels(c.data) is not None for c in parts.arrays)


def _stream_bytes(parts: _Parts) -> int:
    return parts.stream(np.zeros(0, np.int16)).nbytes


def _packed(steps: Sequence[Step], found: Mapping[Step, _Parts]) -> tuple[Step, ...]:
    """The same, each step so packed if at all."""
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


def few_levels(
    steps: Sequence[Step], optimize: str, core: str, room: int
) -> dict[Step, list[_Parts]]:
    """Of layers that run at once, and have constants of few levels: the ways to unpack them that
    take little of the layer's time and might have ``room`` in the arena, in ever less of it. core:
    see `tinyc.kernels.cost.core_of`."""
    found: dict[Step, list[_Parts]] = {}
    for step in steps:
        if step.part or step.kernel.varying is None or step.binding.packing is not None:
            continue
        ways = list(_ways(step, optimize, core, room))
        if ways:
            found[step] = ways
    return found


def bound(chosen: Mapping[Step, _Parts]) -> dict[Step, Binding]:
    """The bindings that unpack so; none if that does not pay for the code."""
    alike: dict[tuple[object, ...], dict[Step, _Parts]] = {}
    for step, parts in chosen.items():
        alike.setdefault(_shape(step, parts), {})[step] = parts
    found: dict[Step, Binding] = {}
    for group in alike.values():
        found |= _group(group)
    saved = sum(_bytes(step.binding) - _bytes(binding) for step, binding in found.items())
    return found if saved > UNPACK_LEVELS else {}


def _ways(step: Step, optimize: str, core: str, room: int) -> Iterator[_Parts]:
    """As a whole, or in pieces, whose input and output do not lie over each other."""
    whole, node = step.binding, step.node
    chosen = [i for i, c in enumerate(whole.constants) if levels.levels(c.data) is not None]
    if not chosen:
        return
    enough = (1 + LONGER[optimize]) * cycles(node, step.kernel, whole, core)
    outputs, sizes = node.output.type, [v.type.bytes for v in node.variable_inputs]
    one = _Parts([whole], chosen, outputs.elements, by_levels=True, fast=True)
    for parts in (one, *_split(step)):
        values = sum(sizes) + outputs.bytes if parts.channels else max(*sizes, outputs.bytes)
        if _unpacked_bytes(parts.arrays) > LONGEST or values + parts.memory > room:
            continue
        if _longer(step, parts, core) > enough:
            return
        yield parts


def _split(step: Step) -> Iterator[_Parts]:
    """A convolution in pieces, each of which makes some channels of all pixels."""
    if not applies(step.node, Conv2d) or step.node.output.type.shape[0] > 1:
        return
    output = step.node.output.type
    for pieces in _channel_pieces(step):
        if len(pieces) > 1:
            chosen = range(len(pieces[0].constants))
            yield _Parts(pieces, chosen, output.elements, True, True, output.shape[3])


def _longer(step: Step, parts: _Parts, core: str) -> float:
    """Cycles of a step that unpacks so, of which each piece gathers its inputs anew."""
    node, count = step.node, len(parts.pieces)
    if applies(node, Conv2d) and count > 1:
        node = _part(node, range(parts.channels // count))
    taken = count * cycles(node, step.kernel, parts.pieces[0], core)
    arrays = [piece.constants[i] for piece in parts.pieces for i in parts.chosen]
    return (
        taken
        + sum(levels.unpacking(c.data, core) for c in arrays)
        + (COPY * parts.outputs if parts.channels else 0)
    )


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
    free = _free(step, parts)
    fixed = {n: v for n, v in first.params.items() if n not in free or isinstance(v, float)}
    return step.kernel.name, str(fixed), str(arrays), first.scratch > 0, parts.by_levels


def _free(step: Step, parts: _Parts) -> tuple[str, ...]:
    """In which parameters layers of a body may differ."""
    return (*(step.kernel.varying or ()), *(() if parts.fast else step.kernel.sized))


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
    own = {n: params[n] for n in _free(step, parts) if n in params}
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
    node = step.node
    if (
        not applies(node, FullyConnected)
        or node.output.type.elements != node.inputs[2].type.elements
    ):
        return
    for pieces in _channel_pieces(step):
        if _unpacked_bytes(pieces[0].constants) <= PIECE:
            yield pieces


def _channel_pieces(step: Step) -> Iterator[list[Binding]]:
    """Bindings for equal parts of a layer's channels, the largest parts first. None differs from
    the others but in its arrays."""
    node, kernel = step.node, step.kernel
    assert applies(node, Weighted)
    channels = node.inputs[2].type.elements
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
        if len(alike) == 1:
            yield pieces


def _part(node: Node[Weighted], channels: range) -> Node[Weighted]:
    """The layer with some of its channels."""
    x, weights, bias = node.inputs
    shape = (*node.output.type.shape[:-1], len(channels))
    output = replace(node.output, type=replace(node.output.type, shape=shape))
    last = len(bias.type.shape) - 1
    inputs = (x, taken(weights, node.op.weight_axis, channels), taken(bias, last, channels))
    return replace(node, inputs=inputs, outputs=(output,))


def _form(
    parts: _Parts, numbers: Array, fields: Mapping[str, tuple[str, int]], size: int
) -> Binding:
    """The binding of a layer whose constants are packed, behind the numbers of its own."""
    first, places = parts.pieces[0], _places(parts, size)
    arrays = [Unpacked(c.suffix, c.data.dtype.name, places[f"{c.suffix}_at"]) for c in parts.arrays]
    notes = "; ".join(c.note for c in parts.arrays)
    data = parts.stream(numbers)
    others = (c for i, c in enumerate(first.constants) if i not in parts.chosen)
    scratch = size + parts.memory
    if parts.channels:
        # What is read for each piece is not to be written over.
        first = replace(first, ordered=False, inplace=None, onto=None, strips=None)
    how = "_levels" if parts.by_levels else "_two_of_four" if parts.twos else ""
    header = "tinyc_levels.h" if parts.by_levels else f"tinyc_unpack{how}.h"
    count = len(parts.pieces)
    return replace(
        first,
        constants=(Constant("packed", data, f"packed: {notes}"), *others),
        scratch=scratch,
        support=(*first.support, header),
        packing=Packing(
            f"tinyc_unpack{how}", fields, numbers.dtype.name, tuple(arrays),
            places.get("scratch_at"), count, parts.outputs // count,
            (parts.channels, scratch - aligned(parts.outputs // count)) if parts.channels else None,
        ),
    )  # fmt: skip
