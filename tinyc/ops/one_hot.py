"""ONE_HOT: indices as vectors of one kind of element, but for one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Quant, TensorType
from ..ir.quant import rounded
from ._move import case, every_dtype
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class OneHot(Op):
    """Input: int32 or int64 indices; output of any dtype, with an axis of ``depth`` elements
    inserted at ``axis``: ``on`` where the index is, ``off`` elsewhere, and everywhere where it is
    outside of the axis.

    on, off: as stored (quantized types: quantized numbers).
    """

    axis: int
    depth: int
    on: int | float
    off: int | float

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, (DType.I32, DType.I64), "indices")
        if self.depth < 1 or not 0 <= self.axis <= len(x.shape):
            raise fail(
                node,
                f"its axis {self.axis} of {self.depth} elements does not fit {list(x.shape)}",
                CONVERT_AGAIN,
                "E301",
            )
        expect_shape(
            node, out, (*x.shape[: self.axis], self.depth, *x.shape[self.axis :]), "output"
        )
        for value in (self.on, self.off):
            if out.dtype not in (DType.F32, DType.BOOL):
                low, high = out.dtype.limits
                if not low <= value <= high:
                    raise fail(node, f"its value {value} is no {out.dtype.value}", CONVERT_AGAIN)

    def narrowed(self, quant: Quant) -> OneHot:
        on, off = rounded(np.array([self.on, self.off]), quant).tolist()
        return replace(self, on=on, off=off)

    def values(self, node: Node[Self]) -> Array:
        """(off, on), of the output's dtype."""
        return np.array([self.off, self.on], node.output.type.dtype.numpy)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        indices = np.expand_dims(inputs[0], self.axis)
        places = np.arange(self.depth).reshape(-1, *[1] * (inputs[0].ndim - self.axis))
        return (self.values(node)[(indices == places).astype(np.intp)],)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        def node(op: Self, dtype: DType, *x: int, wide: bool = False) -> Node[Self]:
            drawn = case(op, dtype, [x], (*x[: op.axis], op.depth, *x[op.axis :]))
            kind = TensorType(x, DType.I64 if wide else DType.I32)
            return replace(drawn, inputs=(replace(drawn.inputs[0], type=kind),))

        for dtype in every_dtype():
            on, off = {DType.F32: (1.5, -0.1), DType.BOOL: (True, False)}.get(dtype, (93, -7))
            yield node(cls(1, 90, on, off), dtype, 9)
            yield node(cls(0, 60, off, on), dtype, 2, 3, wide=True)
            yield node(cls(1, 1, on, off), dtype, 2, 3, wide=True)
        yield node(cls(0, 50, 1.0, 0.0), DType.F32)
