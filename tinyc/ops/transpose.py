"""TRANSPOSE: the axes in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Along, Array, Node
from ._move import Move, Movement, case, every_dtype, same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Transpose(Movement):
    """Input of any dtype and rank; axis i of the output is axis ``axes[i]`` of the input."""

    axes: tuple[int, ...]

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x = node.inputs[0].type
        if sorted(self.axes) != list(range(len(x.shape))):
            raise fail(node, f"{list(self.axes)} is no order of its axes", CONVERT_AGAIN, "E301")
        same_kind(node, x, node.output.type)
        expect_shape(node, node.output.type, tuple(x.shape[a] for a in self.axes), "output")

    def along(self, node: Node[Self], operand: int, axis: int) -> Along:
        return Along(self.axes.index(axis))

    def moves(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Iterator[Move]:
        yield Move(0, inputs[0].transpose(self.axes), 0, outputs[0])

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            yield case(cls((1, 0)), dtype, [(3, 5)], (5, 3))
            yield case(cls((0, 2, 3, 1)), dtype, [(1, 3, 2, 7)], (1, 2, 7, 3))
            yield case(cls((2, 0, 1)), dtype, [(2, 3, 4)], (4, 2, 3))
            yield case(cls((1, 0, 2)), dtype, [(2, 3, 4)], (3, 2, 4))
            yield case(cls((0,)), dtype, [(4,)], (4,))
