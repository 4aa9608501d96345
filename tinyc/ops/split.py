"""SPLIT, SPLIT_V: one tensor cut along one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, Node, Op, Order
from ._move import Move, Movement, case, every_dtype, expect_axis, same_kind
from .base import CONVERT_AGAIN, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Split(Movement):
    """Input of any dtype; the outputs are its parts of ``sizes`` along ``axis``, in order."""

    axis: int
    sizes: tuple[int, ...]

    def check(self, node: Node[Self]) -> None:
        if len(node.inputs) != 1 or len(node.outputs) != len(self.sizes):
            raise fail(node, "has not one input or not one output a part", CONVERT_AGAIN, "E301")
        x = node.inputs[0].type
        expect_axis(node, self.axis, len(x.shape))
        if sum(self.sizes) != x.shape[self.axis] or min(self.sizes, default=0) < 1:
            raise fail(
                node,
                f"parts {list(self.sizes)} do not make {x.shape[self.axis]}",
                CONVERT_AGAIN,
                "E301",
            )
        for size, value in zip(self.sizes, node.outputs, strict=True):
            same_kind(node, x, value.type)
            shape = (*x.shape[: self.axis], size, *x.shape[self.axis + 1 :])
            expect_shape(node, value.type, shape, "an output")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, axis=order[self.axis]), order

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        return None if axis == self.axis else Along(axis)

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        parts = np.split(inputs[0], np.cumsum(self.sizes)[:-1], self.axis)
        for i, part in enumerate(parts):
            yield Move(0, part, i, outputs[i])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0, (2, 2)), dtype, [(4,)], (2,), (2,))
            yield case(cls(2, (1, 4, 2)), dtype, [(2, 3, 7)], (2, 3, 1), (2, 3, 4), (2, 3, 2))
            yield case(cls(1, (3,)), dtype, [(2, 3)], (2, 3))
