"""Constants in fewer bytes, for builds that optimize flash: unpacked into the arena, a layer or a
piece of one at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..ir import Node, applies
from ..kernels.base import Binding, Constant, Packing, Unpacked
from ..kernels.packed import READ_AHEAD, encode, period
from ..ops._move import taken
from ..ops.fully_connected import FullyConnected
from .plan import ALIGN
from .step import Step

PIECE = 6144
"""Most bytes that a piece of a layer is unpacked to."""
SPARE = 8192
"""By how many bytes a whole layer that is unpacked may make the arena grow."""
CALL = 48
"""Bytes of code that unpack a layer's constants."""
UNPACK = 256
"""Bytes of tinyc_unpack."""


def packed(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with packed constants wherever they are smaller, if that pays for the code."""
    room = max((_alive(step) for step in steps), default=0) + SPARE
    made = [_packed(step, room) for step in steps]
    saved = sum(_bytes(step.binding) for step in steps) - sum(_bytes(b) for b in made)
    if saved <= UNPACK:
        return tuple(steps)
    return tuple(replace(s, binding=binding) for s, binding in zip(steps, made, strict=True))


def _alive(step: Step) -> int:
    """Bytes of the arena that a step needs at the least."""
    values = (*step.node.variable_inputs, *step.node.outputs)
    return sum(v.type.bytes for v in values) + step.binding.scratch


def _bytes(binding: Binding) -> int:
    return sum(c.data.nbytes for c in binding.constants) + (CALL if binding.packing else 0)


def _packed(step: Step, room: int) -> Binding:
    """The smallest form of a step's binding that has room in the arena."""
    whole = step.binding
    if step.kernel.varying is None:
        return whole
    free = room - _alive(step)
    arrays = sorted(whole.constants, key=lambda c: c.data.nbytes)
    while arrays and _unpacked_bytes(arrays) > min(free, PIECE):
        pieces = next(_pieces(step), None)
        if pieces is not None:
            return _form(pieces, pieces[0].constants, step.node.output.type.elements)
        if _unpacked_bytes(arrays) <= free:
            break
        arrays.pop()
    form = _form([whole], arrays, step.node.output.type.elements)
    return form if _bytes(form) < _bytes(whole) else whole


def _unpacked_bytes(constants: Iterable[Constant]) -> int:
    return sum(-(-c.data.nbytes // ALIGN) * ALIGN for c in constants)


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


def _form(pieces: Sequence[Binding], small: Collection[Constant], outputs: int) -> Binding:
    """The binding of a layer of so many ``outputs``, computed in ``pieces``, whose constants are
    packed: those that are in ``small``, which are all where there is more than one piece."""
    first = pieces[0]
    chosen = [i for i, c in enumerate(first.constants) if c in small]
    arrays: list[Unpacked] = []
    end = -(-first.scratch // ALIGN) * ALIGN
    for constant in (first.constants[i] for i in chosen):
        size, dtype = constant.data.nbytes, constant.data.dtype.name
        arrays.append(Unpacked(constant.suffix, dtype, size, period(constant), end))
        end += -(-size // ALIGN) * ALIGN
    stream = b"".join(
        encode(piece.constants[i].data, array.period)
        for piece in pieces
        for i, array in zip(chosen, arrays, strict=True)
    )
    data = np.frombuffer(stream + bytes(READ_AHEAD), np.uint8)
    notes = "; ".join(first.constants[i].note for i in chosen)
    others = (c for c in first.constants if c not in small)
    return replace(
        first,
        constants=(Constant("packed", data, f"packed: {notes}"), *others),
        scratch=end,
        support=(*first.support, "tinyc_unpack.h"),
        packing=Packing(tuple(arrays), len(pieces), outputs // len(pieces), first.scratch),
    )
