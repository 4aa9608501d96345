"""SHAPE: the shape of a tensor, which is static here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._move import plain_type
from .base import expect_arity, expect_dtype, expect_shape, register


@register
@dataclass(frozen=True)
class Shape(Op):
    """Input of any type; output [rank], int32 or int64. Constant folding removes it."""

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        expect_dtype(node, node.output.type, (DType.I32, DType.I64), "output")
        expect_shape(node, node.output.type, (len(node.inputs[0].type.shape),), "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (np.array(inputs[0].shape, node.output.type.dtype.numpy),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype, shape in ((DType.I8, (2, 3, 5)), (DType.F32, (1,))):
            x = Value("x", plain_type(shape, dtype), "case")
            out = TensorType((len(shape),), DType.I64 if dtype is DType.F32 else DType.I32)
            yield Node(cls(), (x,), (Value("y", out, "case"),), "case")
