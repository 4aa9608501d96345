"""SLICE, STRIDED_SLICE, REVERSE_V2: every n-th element between two bounds, also backwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, Node, Op, Order
from ._move import Move, Movement, case, every_dtype, renamed, same_kind, stored
from .base import CONVERT_AGAIN, expect_arity, fail, register


@register
@dataclass(frozen=True)
class Slice(Movement):
    """Input of any dtype; along axis i the output has ``sizes[i]`` elements, from ``begin[i]``
    on, ``step[i]`` apart. Axes of size 1 may come or go in the output's shape."""

    begin: tuple[int, ...]
    step: tuple[int, ...]
    sizes: tuple[int, ...]

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        if not len(self.begin) == len(self.step) == len(self.sizes) == len(x.shape):
            raise fail(node, "its bounds do not fit the rank", CONVERT_AGAIN, "E301")
        for begin, step, size, extent in zip(
            self.begin, self.step, self.sizes, x.shape, strict=True
        ):
            last = begin + (size - 1) * step
            if size < 1 or step == 0 or not (0 <= begin < extent and 0 <= last < extent):
                raise fail(
                    node,
                    f"takes {size} elements from {begin} by {step} of {extent}",
                    "slice inside of the tensor; empty tensors are not supported",
                    "E301",
                )
        if [d for d in self.sizes if d != 1] != [d for d in out.shape if d != 1]:
            raise fail(
                node, f"gives {list(self.sizes)}, not {list(out.shape)}", CONVERT_AGAIN, "E301"
            )

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        if node.output.type.shape != self.sizes:
            return None
        begin, step, sizes = (stored(item, order) for item in (self.begin, self.step, self.sizes))
        return Slice(begin, step, sizes), order

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        if self.step[axis] < 1:
            return None
        at = renamed(self.sizes, axis, node.output.type.shape)
        place = None if at is None else at.axis
        return Along(place, 1, self.step[axis], self.begin[axis])

    def shortened(self, axis: int, count: int) -> Slice:
        begin, sizes = list(self.begin), list(self.sizes)
        begin[axis], sizes[axis] = 0, count
        return replace(self, begin=tuple(begin), sizes=tuple(sizes))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        taken = inputs[0]
        for axis, (begin, step, size) in enumerate(
            zip(self.begin, self.step, self.sizes, strict=True)
        ):
            end = begin + size * step
            along = slice(begin, end if end >= 0 else None, step)
            taken = taken[(slice(None),) * axis + (along,)]
        yield Move(0, taken, 0, outputs[0].reshape(self.sizes))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls((1,), (1,), (2,)), dtype, [(5,)], (2,))
            yield case(cls((4,), (-2,), (3,)), dtype, [(5,)], (3,))
            op = cls((0, 2, 3, 1), (1, -1, 2, 1), (1, 3, 2, 2))
            yield case(op, dtype, [(1, 4, 6, 3)], (1, 3, 2, 2))
            yield case(cls((1, 0, 0), (1, 1, 1), (1, 3, 2)), dtype, [(2, 3, 2)], (3, 2))
            yield case(cls((2, 1), (-1, -1), (3, 2)), dtype, [(3, 2)], (3, 2))
