"""TOY_RAISE: add a number to each element, and stop at the greatest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ._unary import check_unary, unary_cases
from .base import register


@register
@dataclass(frozen=True)
class ToyRaise(Op):
    """Input and output of one shape, int8. by: what is added, 0 to 127."""

    by: int

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_unary(node, (DType.I8,))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        return (np.minimum(x.astype(np.int32) + self.by, 127).astype(np.int8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(3), cls(100)), dtypes=(DType.I8,))
