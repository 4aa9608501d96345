"""TOPK_V2: the greatest elements of the last axis, and where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order, TensorType
from ._move import case, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register

NUMBERS = (DType.I8, DType.U8, DType.I16, DType.I32, DType.I64, DType.F32)


@register
@dataclass(frozen=True)
class TopK(Op):
    """Input of any number; outputs: the ``k`` greatest of the last axis, greatest first, of the
    same type, and their int32 indices.

    Of equal elements the first counts more; what is no number counts less than any.
    """

    k: int

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1, 2)
        x, (values, indices) = node.inputs[0].type, (v.type for v in node.outputs)
        expect_dtype(node, x, NUMBERS, "input")
        same_kind(node, x, values, "input and values")
        expect_dtype(node, indices, (DType.I32,), "indices")
        if not x.shape or not 1 <= self.k <= x.shape[-1]:
            raise fail(node, f"takes {self.k} elements of {list(x.shape)}", CONVERT_AGAIN, "E301")
        for made, name in ((values, "values"), (indices, "indices")):
            expect_shape(node, made, (*x.shape[:-1], self.k), name)

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        return (self, order) if order[-1] == len(order) - 1 else None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        falling = -x if x.dtype == np.float32 else ~x
        indices = np.argsort(falling, -1, kind="stable")[..., : self.k]
        return np.take_along_axis(x, indices, -1), indices.astype(np.int32)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in NUMBERS:
            for k, shape in [(1, (1, 9)), (3, (2, 3, 40)), (5, (5,)), (2, (300,)), (1, (2, 1))]:
                out = (*shape[:-1], k)
                node = case(cls(k), dtype, [shape], out, out)
                values, indices = node.outputs
                yield replace(
                    node, outputs=(values, replace(indices, type=TensorType(out, DType.I32)))
                )
