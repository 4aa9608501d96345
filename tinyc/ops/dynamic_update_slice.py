"""DYNAMIC_UPDATE_SLICE: a tensor with a part of it replaced, at a computed place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType
from ._move import MOST_RANK, case, every_dtype, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class DynamicUpdateSlice(Op):
    """Inputs: any dtype, an update of the same rank that is nowhere larger, and int32 or int64
    [rank] starts; output like the first.

    A start is moved so far that the update lies inside, as in TFLite.
    """

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        (x, update, starts), out = (v.type for v in node.inputs), node.output.type
        same_kind(node, x, update, "operand and update")
        same_kind(node, x, out)
        expect_dtype(node, starts, (DType.I32, DType.I64), "starts")
        expect_shape(node, out, x.shape, "output")
        fits = len(update.shape) == len(x.shape) and all(
            u <= d for u, d in zip(update.shape, x.shape, strict=False)
        )
        if not fits or not 1 <= len(x.shape) <= MOST_RANK:
            raise fail(
                node,
                f"an update of {list(update.shape)} does not fit into {list(x.shape)}",
                CONVERT_AGAIN,
                "E301",
            )
        expect_shape(node, starts, (len(x.shape),), "starts")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, update, starts = inputs
        room = np.array(x.shape) - update.shape
        out = x.copy()
        places = zip(np.clip(starts, 0, room), update.shape, strict=True)
        out[tuple(slice(start, start + size) for start, size in places)] = update
        return (out,)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        def node(
            dtype: DType, x: tuple[int, ...], update: tuple[int, ...], wide: bool = False
        ) -> Node[Self]:
            drawn = case(cls(), dtype, [x, update, (len(x),)], x)
            operand, part, starts = drawn.inputs
            kind = TensorType((len(x),), DType.I64 if wide else DType.I32)
            return replace(drawn, inputs=(operand, part, replace(starts, type=kind)))

        for dtype in every_dtype():
            yield node(dtype, (90,), (4,))
            yield node(dtype, (60, 3, 5), (2, 1, 3), wide=True)
            yield node(dtype, (2, 120, 2, 3), (2, 5, 2, 3))
            yield node(dtype, (3, 2), (3, 2))
        fixed: Node[Self] = node(DType.I8, (4, 5), (2, 3))
        x, update, starts = fixed.inputs
        place = replace(starts, data=np.array([-1, 9], np.int32))
        zeros = replace(x, data=np.zeros((4, 5), np.int8))
        yield replace(fixed, inputs=(zeros, update, place))
        twice: Node[Self] = node(DType.F32, (4, 5), (4, 5))
        x, _, starts = twice.inputs
        yield replace(twice, inputs=(x, x, starts))
