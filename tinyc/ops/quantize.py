"""QUANTIZE: real numbers to quantized ones, or from one quantization to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Quant, TensorType, Value
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._unary import SHAPES
from .base import (
    REQUANTIZE,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_ratio,
    expect_shape,
    fail,
    register,
)

INTEGERS = (DType.I8, DType.U8, DType.I16)


@register
@dataclass(frozen=True)
class Quantize(Op):
    """Input float32, int8, uint8 or int16, output int8, uint8 or int16 of the same shape, every
    integer quantized per tensor; or from int8 or int16 (with any zero point) to int32, or back.
    LiteRT has none from int8 to int32; TensorFlow Lite Micro has (quantize_common.cc).

    to_even: halves of float32 go to even numbers, and what is no number to the least, as in ONNX
    Runtime (MlasQuantizeLinear).
    """

    to_even: bool = field(default=False, kw_only=True)

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        narrow = (DType.I8, DType.I16)
        expect_dtype(node, x, (DType.F32, *INTEGERS, DType.I32), "input")
        outputs = narrow if x.dtype is DType.I32 else INTEGERS
        whole = (DType.I32,) if x.dtype in narrow else ()
        expect_dtype(node, out, (*outputs, *whole), "output")
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, out, "output")
        if x.dtype is not DType.F32:
            expect_quant(node, x, "input", centred=out.dtype is not DType.I32)
            low, high = x.dtype.limits
            reach = high if x.dtype is DType.I32 else high - low
            expect_ratio(node, reach, x.scale / out.scale)
        for t in (x, out):
            if t.dtype is DType.I32 and t.zero_point:
                raise fail(
                    node, f"has an int32 tensor with the zero point {t.zero_point}", REQUANTIZE
                )

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        source, out = node.inputs[0].type, node.output.type
        low, high = out.dtype.limits
        if source.dtype is DType.F32:
            # AffineQuantize: a float32 quotient, halves away from zero. 2**20 is beyond every
            # output, and keeps what follows in the range of int32.
            with np.errstate(over="ignore"):
                ratio = np.clip(x / np.float32(out.scale), -(2.0**20), 2.0**20)
            if self.to_even:
                ratio = np.nan_to_num(ratio, nan=-(2.0**20))
                return (clamp(np.rint(ratio) + out.zero_point, low, high, out.dtype),)
            rounded = np.trunc(ratio.astype(np.float64) + np.copysign(0.5, ratio))
            return (clamp(np.nan_to_num(rounded) + out.zero_point, low, high, out.dtype),)
        centred = x.astype(np.int64) - source.zero_point
        y = multiply_double_rounding(centred, *quantize_multiplier(source.scale / out.scale))
        return (clamp(y + out.zero_point, low, high, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for source in (DType.F32, *INTEGERS):
            for target in INTEGERS:
                for shape in SHAPES:
                    types = [quantized_type(rng, d, shape) for d in (source, target)]
                    x, y = (Value(n, t, "case") for n, t in zip("xy", types, strict=True))
                    yield Node(cls(), (x,), (y,), "case")
                    if source is DType.F32:
                        x, y = replace(x), replace(y)
                        yield Node(cls(to_even=True), (x,), (y,), "case")
        for dtype in (DType.I8, DType.I16):
            for scale in (0.001, 2.0**-30):
                narrow = quantized_type(rng, dtype, (3, 7))
                whole = TensorType((3, 7), DType.I32, Quant((scale * narrow.scale,), (0,)))
                for pair in ((whole, narrow), (narrow, whole)):
                    x, y = (Value(n, t, "case") for n, t in zip("xy", pair, strict=True))
                    if scale > 1e-6 or pair[0] is whole:
                        yield Node(cls(), (x,), (y,), "case")
        probabilities = TensorType((2, 5), DType.I16, Quant((2.0**-16,), (-32768,)))
        x = Value("x", probabilities, "case")
        y = Value("y", TensorType((2, 5), DType.I32, Quant((2.0**-15,), (0,))), "case")
        yield Node(cls(), (x,), (y,), "case")


def quantized_type(rng: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> TensorType:
    """A type for a case; integers with a random scale and an often extreme zero point."""
    if dtype not in INTEGERS:
        return TensorType(shape, dtype)
    low, high = dtype.limits
    zero = 0 if dtype is DType.I16 else int(rng.choice([low, high, (low + high + 1) // 2]))
    return TensorType(shape, dtype, Quant((float(np.float32(rng.uniform(0.001, 0.1))),), (zero,)))
