"""CAST: the same numbers in another type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._unary import SHAPES
from .base import expect_arity, expect_dtype, expect_shape, register


@register
@dataclass(frozen=True)
class Cast(Op):
    """Input and output of one shape and any two dtypes; quantization is ignored.

    Integers keep their low bits, bool is 1 or 0, and floats lose their fraction. A float beyond
    the integer type goes to its nearest end and not-a-number to the greatest, as in LiteRT; C
    has no answer there.
    """

    elementwise = True
    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, tuple(DType), "input")
        expect_dtype(node, out, tuple(DType), "output")
        expect_shape(node, out, x.shape, "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        target = node.output.type.dtype
        if x.dtype != np.float32 or target in (DType.F32, DType.BOOL):
            return (x.astype(target.numpy),)
        low, high = target.limits
        below, above = x < low, ~(x < float(high) + 1)
        inside = np.where(below | above, np.float32(0), x).astype(target.numpy)
        return (
            np.where(
                above, target.numpy.type(high), np.where(below, target.numpy.type(low), inside)
            ),
        )

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for source in DType:
            for target in DType:
                shape = SHAPES[int(rng.integers(len(SHAPES)))]
                x = Value("x", TensorType(shape, source), "case")
                y = Value("y", TensorType(shape, target), "case")
                yield Node(cls(), (x,), (y,), "case")
