"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same bytes under another shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ._move import case, same_kind
from .base import CONVERT_AGAIN, expect_arity, fail, register


@register
@dataclass(frozen=True)
class Reshape(Op):
    """Input and output of any dtype and shape, with equal element count and quantization."""

    view = True
    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        same_kind(node, x, out)
        if x.elements != out.elements:
            raise fail(
                node, f"{list(x.shape)} and {list(out.shape)} differ in size", CONVERT_AGAIN, "E301"
            )

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0].reshape(node.output.type.shape),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield case(cls(), DType.I8, [(2, 3, 5)], (5, 6))
        yield case(cls(), DType.F32, [(1, 1)], ())
