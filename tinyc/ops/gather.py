"""GATHER: constant or computed indices of one axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order, TensorType
from ._move import Lookup, case, every_dtype, expect_axis, same_kind, without
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Gather(Lookup):
    """Input of any dtype; the output has ``indices`` (flat) of ``axis`` in the place of that
    axis, in the shape that the indices had."""

    axis: int
    indices: tuple[int, ...]

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        expect_axis(node, self.axis, len(x.shape))
        extent = x.shape[self.axis]
        if not self.indices or min(self.indices) < 0 or max(self.indices) >= extent:
            raise fail(node, f"an index lies outside of {extent} elements", CONVERT_AGAIN, "E301")
        after = x.shape[self.axis + 1 :]
        fits = (
            out.shape[: self.axis] == x.shape[: self.axis]
            and out.shape[len(out.shape) - len(after) :] == after
            and out.elements == x.elements // extent * len(self.indices)
        )
        if not fits:
            raise fail(
                node,
                f"{len(self.indices)} indices of {list(x.shape)} do not give {list(out.shape)}",
                CONVERT_AGAIN,
                "E301",
            )

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        op, lost = replace(self, axis=order[self.axis]), len(order) - len(node.output.type.shape)
        if lost == 0:
            return op, order
        return (op, without(order, (self.axis,))) if lost == 1 else None

    def tables(self, node: Node[Self]) -> list[Array]:
        tables = [np.arange(size) for size in node.inputs[0].type.shape]
        tables[self.axis] = np.array(self.indices)
        return tables

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0, (4, 0, 4)), dtype, [(5,)], (3,))
            yield case(cls(1, (2, 0, 1, 1)), dtype, [(2, 3, 2)], (2, 2, 2, 2))
            yield case(cls(2, (3,)), dtype, [(2, 3, 4)], (2, 3))


@register
@dataclass(frozen=True)
class GatherComputed(Op):
    """Inputs: any dtype, and int32 or int64 indices of its ``axis``; the output has the indices'
    shape in the place of that axis.

    Indices are data, which no rule can bound: one outside of the axis takes the nearest element
    (TFLite's kernel ends with an error instead).
    """

    axis: int

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        (x, indices), out = (v.type for v in node.inputs), node.output.type
        same_kind(node, x, out)
        expect_axis(node, self.axis, len(x.shape))
        expect_dtype(node, indices, (DType.I32, DType.I64), "indices")
        shape = (*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :])
        expect_shape(node, out, shape, "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, indices = inputs
        return (np.asarray(np.take(x, indices, self.axis, mode="clip")),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        def node(
            axis: int, dtype: DType, shape: tuple[int, ...], *at: int, wide: bool
        ) -> Node[Self]:
            out = (*shape[:axis], *at, *shape[axis + 1 :])
            drawn = case(cls(axis), dtype, [shape, at], out)
            x, indices = drawn.inputs
            kind = TensorType(at, DType.I64 if wide else DType.I32)
            return replace(drawn, inputs=(x, replace(indices, type=kind)))

        for dtype in every_dtype():
            yield node(0, dtype, (5,), 4, wide=False)
            yield node(1, dtype, (2, 60, 3), 2, 3, wide=True)
            yield node(2, dtype, (2, 3, 7), wide=False)
        embedding: Node[Self] = node(0, DType.I8, (9, 5), 1, 4, wide=False)
        x, indices = embedding.inputs
        table = replace(x, data=rng.integers(-128, 128, (9, 5)).astype(np.int8))
        yield replace(embedding, inputs=(table, indices))
        embedding = node(0, DType.F32, (9, 5), 1, 4, wide=False)
        x, indices = embedding.inputs
        fixed = replace(indices, data=np.array([[8, 0, -3, 9]], np.int32))
        yield replace(embedding, inputs=(x, fixed))
        permutation = case(cls(0), DType.I32, [(6,)], (6,))
        yield replace(permutation, inputs=permutation.inputs * 2)
