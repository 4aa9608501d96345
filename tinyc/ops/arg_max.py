"""ARG_MAX, ARG_MIN: where the greatest or the least element of an axis stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Op, Order, TensorType
from ._move import case, expect_axis, without
from .base import expect_arity, expect_dtype, expect_shape, register


@register
@dataclass(frozen=True)
class ArgMax(Op):
    """Input int8, uint8, int16, int32 or float32; output int32 or int64, without ``axis``.

    Of equal elements the first counts. least: the least instead of the greatest.
    """

    axis: int
    least: bool

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_axis(node, self.axis, len(x.shape))
        numbers = (DType.I8, DType.U8, DType.I16, DType.I32, DType.F32)
        expect_dtype(node, x, numbers, "input")
        expect_dtype(node, out, (DType.I32, DType.I64), "output")
        expect_shape(node, out, (*x.shape[: self.axis], *x.shape[self.axis + 1 :]), "output")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, axis=order[self.axis]), without(order, (self.axis,))

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        return None if axis == self.axis else Along(axis - (axis > self.axis))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x = inputs[0]
        if x.dtype == np.float32:  # what is no number is passed over
            x = np.where(np.isnan(x), np.float32(np.inf if self.least else -np.inf), x)
        best = (np.argmin if self.least else np.argmax)(x, self.axis)
        return (np.asarray(best, node.output.type.dtype.numpy),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        shapes = [((1, 12), 1), ((3, 4, 5), 1), ((2, 3), 0), ((7,), 0), ((2, 1, 3), 1)]
        for dtype in (DType.I8, DType.F32, DType.U8, DType.I16, DType.I32):
            for index, (shape, axis) in enumerate(shapes):
                node = case(cls(axis, index % 2 == 1), dtype, [shape])
                wide = DType.I64 if index % 2 else DType.I32
                (x,) = node.inputs
                out = TensorType((*shape[:axis], *shape[axis + 1 :]), wide)
                yield replace(node, outputs=(replace(x, name="y", type=out),))
