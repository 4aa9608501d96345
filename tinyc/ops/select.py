"""SELECT and SELECT_V2: x where a condition holds, else y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._binary import SHAPES, check_broadcast, operand
from ._conv import random_type
from ._move import same_kind
from .base import expect_dtype, register


@register
@dataclass(frozen=True)
class Select(Op):
    """Inputs: condition (bool), x, y, which broadcast; output of their common shape, of x's and
    y's type and quantization."""

    elementwise = True
    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        check_broadcast(node, 3)
        condition, x, y = node.inputs
        expect_dtype(node, condition.type, (DType.BOOL,), "the condition")
        same_kind(node, x.type, y.type)
        same_kind(node, x.type, node.output.type)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        condition, x, y = inputs
        return (np.where(condition, x, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in (DType.I8, DType.U8, DType.F32, DType.I32, DType.BOOL):
            for i, (a, b) in enumerate(SHAPES):
                shapes = ((a, b, b), (b, a, b), (b, b, a), ((), a, b))[i % 4]
                type = random_type(rng, dtype, ())
                types = [TensorType(s, type.dtype, type.quant) for s in shapes]
                inputs = (
                    operand(rng, "c", TensorType(shapes[0], DType.BOOL), i == 4),
                    operand(rng, "x", types[1], i == 5),
                    operand(rng, "y", types[2], i in (5, 6)),
                )
                out = TensorType(np.broadcast_shapes(*shapes), type.dtype, type.quant)
                yield Node(cls(), inputs, (Value("z", out, "case"),), "case")
