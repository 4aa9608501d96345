"""CUMSUM: the sums of an axis's elements up to each of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order
from ._move import case, expect_axis
from .base import expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Cumsum(Op):
    """Input and output int32 or int64, whose sums wrap around, or float32, of one shape.

    exclusive: an element is not part of its own sum; reverse: the sums start at the end of
    ``axis``.
    """

    axis: int
    exclusive: bool
    reverse: bool

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_axis(node, self.axis, len(x.shape))
        if x.quant is not None:
            raise fail(
                node,
                f"input is a quantized {x.dtype.value}, of which TFLite has no sums",
                "keep this layer float32",
                "E303",
            )
        expect_dtype(node, x, (DType.I32, DType.I64, DType.F32), "input")
        expect_dtype(node, out, (x.dtype,), "output")
        expect_shape(node, out, x.shape, "output")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, axis=order[self.axis]), order

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x = np.moveaxis(inputs[0], self.axis, 0)
        x = x[::-1] if self.reverse else x
        # From 0 on, and in order, for the sake of float sums.
        sums = np.add.accumulate(np.concatenate([np.zeros_like(x[:1]), x]), 0, x.dtype)
        sums = sums[:-1] if self.exclusive else sums[1:]
        return (
            np.ascontiguousarray(np.moveaxis(sums[::-1] if self.reverse else sums, 0, self.axis)),
        )

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in (DType.F32, DType.I32, DType.I64):
            for i, (axis, shape) in enumerate(
                [(0, (9,)), (1, (2, 5, 3)), (2, (2, 3, 4)), (0, (1, 3))]
            ):
                yield case(cls(axis, i % 2 == 1, i > 1), dtype, [shape], shape)
            yield case(cls(0, True, False), dtype, [(4, 2)], (4, 2))
