"""DEQUANTIZE: quantized numbers to real ones, scale * (x - zero_point)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node, TensorType, Value
from ..op import (
    Binding,
    Kernel,
    Op,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    register,
)
from ._unary import SHAPES, unary_params
from .cast import Cast
from .quantize import INTEGERS, quantized_type


@register
@dataclass(frozen=True)
class Dequantize(Op):
    """Input int8, uint8 or int16, quantized per tensor, or per channel if it is constant; output
    float32 of the same shape."""

    tflite = ("DEQUANTIZE",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        (x,) = src.operands(1)
        # Float16 weights, which the reader has made float32.
        stored = x.constant and x.type.dtype is DType.F32
        return [src.node(Cast() if stored else cls(), [x])]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, INTEGERS, "input")
        expect_dtype(node, out, (DType.F32,), "output")
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, x, "input", per_channel=node.inputs[0].constant)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
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
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        for dtype in INTEGERS:
            for shape in SHAPES:
                x = Value("x", quantized_type(rng, dtype, shape), "case")
                y = Value("y", TensorType(shape, DType.F32), "case")
                yield Node(cls(), (x,), (y,), "case")


def _bind(node: Node) -> Binding:
    source = node.inputs[0].type
    return Binding({**unary_params(node), "offset": -source.zero_point, "scale": source.scale})


Dequantize.kernels = (
    Kernel("dequantize", "dequantize.c.j2", frozenset(), lambda node: None, _bind),
)
