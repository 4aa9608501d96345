"""SOFTMAX: y[i] = exp(beta * x[i]) / sum exp(beta * x[j]) over the last axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import DType, Node, Quant, TensorType, Value
from ..op import (
    Binding,
    Constant,
    Op,
    expect_arity,
    expect_dtype,
    expect_quant,
    expect_shape,
    fail,
    register,
)
from ..quant import quantize_multiplier, rounding_divide_by_pot, saturating_doubling_high_mul
from ._conv import portable, random_type
from ._fixedpoint import exp_of_negative, reciprocal

DIFFERENCE_BITS = 5
"""Integer bits of a scaled distance to the maximum."""
SUM_BITS = 12
"""Integer bits of the sum, which so holds fewer than 2**12 terms of at most one."""
OUTPUT = Quant((1 / 256,), (-128,))
"""The only int8 output that TFLite's softmax has."""


@register
@dataclass(frozen=True)
class Softmax(Op):
    """Input and output of one shape, rank 1 or more, int8 (output scale 1/256 and zero point
    -128) or float32. beta: finite, positive if int8."""

    beta: float

    tflite = ("SOFTMAX",)
    fixed_quant = OUTPUT

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(src.float_option("beta")), src.operands(1))]

    def check(self, node: Node) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, (DType.I8, DType.F32), "input")
        expect_dtype(node, out, (x.dtype,), "output")
        expect_shape(node, out, x.shape, "output")
        if not x.shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)
        if x.dtype is DType.F32:
            return
        expect_quant(node, x, "input")
        expect_quant(node, out, "output")
        if (out.scale, out.zero_point) != (OUTPUT.scale[0], OUTPUT.zero_point[0]):
            raise fail(
                node,
                f"its output has scale {out.scale:.6g} and zero point {out.zero_point}",
                "quantize the model with the TFLite converter (1/256 and -128)",
                "E304",
            )
        if not self.beta * x.scale * (1 << (31 - DIFFERENCE_BITS)) > 1:
            raise fail(node, f"beta {self.beta:.6g} times scale {x.scale:.6g} is too small")
        if x.shape[-1] >= 1 << SUM_BITS:
            raise fail(
                node,
                f"has {x.shape[-1]} classes, int8 softmax sums at most {(1 << SUM_BITS) - 1}",
                "end the network with the logits",
            )

    def exp_table(self, node: Node) -> np.ndarray:
        """exp(-d * scale * beta) of each distance d = 0 .. 255 to the maximum: int32, 0 integer
        bits, and 0 beyond what the scaled distance can hold (reference_ops::Softmax)."""
        factor = self.beta * node.inputs[0].type.scale * (1 << (31 - DIFFERENCE_BITS))
        multiplier, shift = quantize_multiplier(min(factor, (1 << 31) - 1.0))
        # PreprocessSoftmaxScaling and CalculateInputRadius
        radius = math.floor(
            ((1 << DIFFERENCE_BITS) - 1) * (1 << (31 - DIFFERENCE_BITS)) / (1 << shift)
        )
        reach = np.arange(min(radius + 1, 256), dtype=np.int64)
        scaled = saturating_doubling_high_mul(-reach << shift, np.int64(multiplier))
        table = np.zeros(256, np.int32)
        table[: len(reach)] = exp_of_negative(scaled, DIFFERENCE_BITS)
        return table

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        greatest = x.max(-1, keepdims=True)
        if x.dtype == np.float32:
            powers = np.exp((x - greatest) * np.float32(self.beta))
            return (powers / np.cumsum(powers, -1, dtype=np.float32)[..., -1:],)
        powers = self.exp_table(node)[greatest.astype(np.int32) - x].astype(np.int64)
        total = rounding_divide_by_pot(powers, SUM_BITS).sum(-1, keepdims=True)
        scale, shift = reciprocal(total, SUM_BITS)
        y = rounding_divide_by_pot(saturating_doubling_high_mul(scale, powers), shift + 31 - 8)
        return (np.clip(y - 128, -128, 127).astype(np.int8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        shapes: list[tuple[tuple[int, ...], float, float]] = [
            ((1, 1), 1.0, 0.1),
            ((1, 10), 1.0, 0.15),
            ((2, 3, 7), 0.5, 0.02),
            ((5,), 2.0, 3.0),
            ((1, 1001), 1.0, 1e-4),
            ((4, 2), 1.0, 1e-7),
        ]
        for shape, beta, scale in shapes:
            for dtype in (DType.I8, DType.F32):
                quant = OUTPUT if dtype is DType.I8 else None
                x = Value("x", random_type(rng, dtype, shape, scale), "case")
                y = Value("y", TensorType(shape, dtype, quant), "case")
                yield Node(cls(beta), (x,), (y,), "case")


def _sizes(node: Node) -> dict[str, int]:
    x = node.inputs[0].type
    return {"rows": x.elements // x.shape[-1], "depth": x.shape[-1]}


def _bind_s8(node: Node) -> Binding:
    assert isinstance(node.op, Softmax)
    return Binding(
        params={**_sizes(node), "many": node.inputs[0].type.shape[-1] >= 512},
        constants=(
            Constant(
                "exp",
                node.op.exp_table(node),
                f"exp(-i * {node.inputs[0].type.scale:.6g} * {node.op.beta:.6g}) * 2^31",
            ),
        ),
        support=("tinyc_requant.h", "tinyc_reciprocal.h"),
        inplace=0,
    )


def _bind_f32(node: Node) -> Binding:
    assert isinstance(node.op, Softmax)
    return Binding(
        params={**_sizes(node), "beta": node.op.beta},
        support=("tinyc_math.h",),
        inplace=0,
    )


Softmax.kernels = (
    portable("softmax_s8", DType.I8, _bind_s8),
    portable("softmax_f32", DType.F32, _bind_f32),
)
