"""The same bytes, taken for other numbers: a scale and an offset that cost nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Along, Array, Node, Op, Value
from ._unary import BYTES
from .base import expect_arity, expect_dtype, expect_quant, expect_shape, register
from .quantize import quantized_type


@register
@dataclass(frozen=True)
class Reinterpret(Op):
    """Input and output int8 or uint8 of one shape and dtype, each of its own quantization."""

    view = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, BYTES, "input")
        expect_dtype(node, out, (x.dtype,), "output")
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, out, "output")

    def along(self, node: Node[Self], operand: int, axis: int) -> Along:
        return Along(axis)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        return (inputs[0],)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in BYTES:
            x, y = (Value(n, quantized_type(rng, dtype, (2, 3)), "case") for n in "xy")
            yield Node(cls(), (x,), (y,), "case")
