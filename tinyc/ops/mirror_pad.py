"""MIRROR_PAD: the border mirrored outwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from ..ir import Along, Array, Node, Op, Order
from ._move import Lookup, case, every_dtype, stored
from .base import expect_arity, fail, register
from .pad import check_paddings


@register
@dataclass(frozen=True)
class MirrorPad(Lookup):
    """Input of any dtype; output larger by ``paddings``, (before, after) of each axis.

    symmetric: the border itself is repeated (SYMMETRIC), else it is the mirror (REFLECT).
    """

    paddings: tuple[tuple[int, int], ...]
    symmetric: bool

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        check_paddings(node, self.paddings)
        for pair, size in zip(self.paddings, node.inputs[0].type.shape, strict=True):
            if max(pair) > size - (not self.symmetric):
                raise fail(node, f"pads {size} elements by {max(pair)}", "pad by less", "E301")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order]:
        return replace(self, paddings=stored(self.paddings, order)), order

    def along(self, node: Node[Self], operand: int, axis: int) -> Along:
        return Along(axis, first=-self.paddings[axis][0])

    def tables(self, node: Node[Self]) -> list[Array]:
        mode: Literal["symmetric", "reflect"] = "symmetric" if self.symmetric else "reflect"
        return [
            np.pad(np.arange(size), pair, mode=mode)
            for size, pair in zip(node.inputs[0].type.shape, self.paddings, strict=True)
        ]

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            for symmetric in (False, True):
                yield case(cls(((2, 1),), symmetric), dtype, [(3,)], (6,))
                op = cls(((0, 0), (1, 2), (0, 1), (0, 0)), symmetric)
                yield case(op, dtype, [(1, 4, 3, 2)], (1, 7, 4, 2))
            yield case(cls(((0, 0), (0, 0)), True), dtype, [(2, 3)], (2, 3))
