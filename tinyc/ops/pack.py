"""PACK, UNPACK: tensors stacked along a new axis, and the reverse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Along, Array, Node, Value
from ._move import Move, Movement, case, every_dtype, expect_axis, same_kind
from .base import CONVERT_AGAIN, expect_shape, fail, register


def _check(node: Node, whole: Value, parts: tuple[Value, ...], axis: int) -> None:
    """``whole`` is ``parts`` stacked along ``axis``."""
    shape = whole.type.shape
    expect_axis(node, axis, len(shape))
    if shape[axis] != len(parts):
        raise fail(node, f"{len(parts)} tensors do not make {shape[axis]}", CONVERT_AGAIN, "E301")
    for part in parts:
        expect_shape(node, part.type, (*shape[:axis], *shape[axis + 1 :]), "a part")
        same_kind(node, part.type, whole.type)


@register
@dataclass(frozen=True)
class Pack(Movement):
    """Inputs: equal shapes of any one dtype; output with the new axis ``axis``."""

    axis: int

    def check(self, node: Node[Self]) -> None:
        if len(node.outputs) != 1:
            raise fail(node, "has not one output", CONVERT_AGAIN, "E301")
        _check(node, node.output, node.inputs, self.axis)

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        constant = any(v.constant for v in node.inputs)
        return None if constant else Along(axis + (axis >= self.axis))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        along = np.moveaxis(outputs[0], self.axis, 0)
        for i, array in enumerate(inputs):
            # Not along[i]: the view of a scalar must stay a view.
            yield Move(i, array, 0, along[i, ...])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0), dtype, [(3,), (3,)], (2, 3))
            yield case(cls(2), dtype, [(2, 3), (2, 3), (2, 3)], (2, 3, 3))
            yield case(cls(0), dtype, [(), ()], (2,))


@register
@dataclass(frozen=True)
class Unpack(Movement):
    """Input of any dtype; output i is its index i along ``axis``, which goes."""

    axis: int

    def check(self, node: Node[Self]) -> None:
        if len(node.inputs) != 1 or not node.outputs:
            raise fail(node, "has not one input, or no output", CONVERT_AGAIN, "E301")
        _check(node, node.inputs[0], node.outputs, self.axis)

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        return None if axis == self.axis else Along(axis - (axis > self.axis))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        along = np.moveaxis(inputs[0], self.axis, 0)
        for i, array in enumerate(outputs):
            yield Move(0, along[i, ...], i, array)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0), dtype, [(2, 3)], (3,), (3,))
            yield case(cls(2), dtype, [(2, 3, 2)], (2, 3), (2, 3))
            yield case(cls(0), dtype, [(2,)], (), ())
