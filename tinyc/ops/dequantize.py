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
from .quantize import INTEGERS, quantized_type


@register
@dataclass(frozen=True)
class Dequantize(Op):
    """Input int8, uint8 or int16, quantized per tensor; output float32 of the same shape."""

    tflite = ("DEQUANTIZE",)

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(1))]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, INTEGERS, "input")
        expect_dtype(node, out, (DType.F32,), "output")
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, x, "input")

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        # TFLite multiplies in double, which holds the product of 24 and 17 bits exactly: it is
        # rounded once, as the float32 product is.
        source = node.inputs[0].type
        centred = inputs[0].astype(np.int32) - source.zero_point
        return (centred.astype(np.float32) * np.float32(source.scale),)

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
