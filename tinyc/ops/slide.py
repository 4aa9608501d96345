"""What came last of a stream: a window that moves on by what is new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node, Op
from ._move import case, every_dtype, expect_axis, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Slide(Op):
    """Inputs of any one dtype: what is new, and the window before, which is longer along ``axis``
    and alike else. Output: the window without its oldest part, with the new one at its end; it may
    lie where the window was."""

    axis: int

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        (new, before), after = (v.type for v in node.inputs), node.output.type
        expect_axis(node, self.axis, len(after.shape))
        same_kind(node, new, after)
        same_kind(node, before, after)
        expect_shape(node, before, after.shape, "window")
        cut = (*after.shape[: self.axis], *new.shape[self.axis : self.axis + 1])
        expect_shape(node, new, (*cut, *after.shape[self.axis + 1 :]), "input")
        if new.shape[self.axis] >= after.shape[self.axis]:
            raise fail(node, "its input is as long as its window", CONVERT_AGAIN, "E301")
        if node.inputs[0] is node.inputs[1] or any(v.constant for v in node.inputs):
            raise fail(node, "its window is constant, or its input", CONVERT_AGAIN, "E301")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        new, before = inputs
        old = np.split(before, [new.shape[self.axis]], self.axis)[1]
        return (np.concatenate([old, new], self.axis),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls(0), dtype, [(1,), (2,)], (2,))
            yield case(cls(1), dtype, [(1, 1, 1, 3), (1, 7, 1, 3)], (1, 7, 1, 3))
            yield case(cls(1), dtype, [(2, 3, 2), (2, 4, 2)], (2, 4, 2))
            yield case(cls(2), dtype, [(1, 3, 2), (1, 3, 5)], (1, 3, 5))
