"""DEQUANTIZE: quantized numbers to real ones, scale * (x - zero_point)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._unary import SHAPES
from .base import expect_arity, expect_dtype, expect_quant, expect_shape, register
from .quantize import INTEGERS, quantized_type


@register
@dataclass(frozen=True)
class Dequantize(Op):
    """Input int8, uint8 or int16, quantized per tensor, or per channel if it is constant; output
    float32 of the same shape."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, INTEGERS, "input")
        expect_dtype(node, out, (DType.F32,), "output")
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, x, "input", per_channel=node.inputs[0].constant)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        # TFLite multiplies in double, which holds the product of 24 and 17 bits exactly: it is
        # rounded once, as the float32 product is.
        quant = node.inputs[0].type.quant
        assert quant is not None
        shape = [1] * inputs[0].ndim
        if quant.per_channel:
            shape[quant.axis] = -1
        scale = np.array(quant.scale, np.float32).reshape(shape)
        centred = inputs[0].astype(np.int32) - np.array(quant.zero_point, np.int32).reshape(shape)
        return (centred.astype(np.float32) * scale,)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in INTEGERS:
            for shape in SHAPES:
                x = Value("x", quantized_type(rng, dtype, shape), "case")
                y = Value("y", TensorType(shape, DType.F32), "case")
                yield Node(cls(), (x,), (y,), "case")
