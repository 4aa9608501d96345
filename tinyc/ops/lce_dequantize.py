"""LceDequantize: packed signs as numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Quant, TensorType, Value
from ._bits import expect_packed, unpack, words
from ._mixins import Rowwise
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_quant, fail, register


@register
@dataclass(frozen=True)
class LceDequantize(Rowwise):
    """Input packed signs; output [..., channels] of +1 and -1 as float32 or int8, or true and
    false as bool (larq_compute_engine/tflite/kernels/quantization.cc)."""

    fixed_quant = Quant((float(np.float32(1 / 127)),), (0,))

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        out = node.output.type
        expect_dtype(node, out, (DType.F32, DType.I8, DType.BOOL), "output")
        if not out.shape:
            raise fail(node, "its output is a scalar", CONVERT_AGAIN)
        if out.dtype is DType.I8:
            expect_quant(node, out, "output")
        expect_packed(node, node.inputs[0].type, out.shape, "input")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        out = node.output.type
        plus, minus = numbers(out)
        dtype = out.dtype.numpy.type
        return (np.where(unpack(inputs[0], out.shape[-1]), dtype(minus), dtype(plus)),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for shape in ((1, 1), (1, 3, 2, 32), (2, 5, 33), (1, 1, 2, 100)):
            x = TensorType((*shape[:-1], words(shape[-1])), DType.I32)
            for y in (
                TensorType(shape, DType.F32),
                TensorType(shape, DType.BOOL),
                TensorType(shape, DType.I8, Quant((0.02,), (-100,))),
                TensorType(shape, DType.I8, Quant((1.0,), (3,))),
            ):
                yield Node(cls(), (Value("x", x, "case"),), (Value("y", y, "case"),), "case")


def numbers(out: TensorType) -> tuple[float, float]:
    """What +1 and -1 are in the output's type."""
    if out.dtype is DType.I8:
        # TfLiteRound of a float32 quotient; no scale that passes is small enough to leave int32
        offset = int(np.floor(float(np.float32(1) / np.float32(out.scale)) + 0.5))
        return min(127, out.zero_point + offset), max(-128, out.zero_point - offset)
    return (1, 0) if out.dtype is DType.BOOL else (1, -1)
