"""SOFTMAX: y[i] = exp(beta * x[i]) / sum exp(beta * x[j]) over the last axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order, Quant, TensorType, Value
from ..ir.quant import (
    multiply_double_rounding,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_doubling_high_mul,
)
from ._binary import NUMBERS
from ._conv import random_type
from ._fixedpoint import exp_of_negative, reciprocal
from ._mixins import Rowwise
from ._samples16 import interpolate16, samples16
from ._unary import FRACTION, check_unary
from .base import (
    CONVERT_AGAIN,
    MASKED_SCALE,
    REQUANTIZE,
    expect_arity,
    expect_quant,
    expect_shape,
    fail,
    register,
)

DIFFERENCE_BITS = 5
"""Integer bits of a scaled distance to the maximum."""
SUM_BITS = 12
"""Integer bits of the sum, which so holds fewer than 2**12 terms of at most one."""
OUTPUT = Quant((1 / 256,), (-128,))
"""The only int8 output that TFLite's softmax has."""
WIDE = Quant((1 / 65536,), (-32768,))
"""The only int16 output that it has of int8."""
_WIDE_TOLERANCE = 1e-3  # of that scale: some files state 1 / 65535
GREATEST_STEP = 5.0
"""Of beta times the scale of an int16 input, so that scaled distances fit 32 bits."""


_UNIT = 2.0 / 65535
"""A step of the samples in double, as TFLite spells it; they reach from -1 to 1."""
_RANGE = (_UNIT * -32768, _UNIT * 32767)
EXP = samples16(np.exp, (10.0 / 65535 * -65535, 0.0), _RANGE)
INVERSE = samples16(lambda x: 1.0 / (1.0 + x), (0.0, 1.0 / 65535 * 65535), _RANGE)


@register
@dataclass(frozen=True)
class Softmax(Rowwise):
    """Input and output of one shape, rank 1 or more, int8 (output scale 1/256 and zero point
    -128), int16 (output scale 1/32768) or float32; or int8 to int16 (output scale 1/65536 and zero
    point -32768). beta: finite, positive if integer."""

    beta: float

    fixed_quant = OUTPUT

    def check(self, node: Node[Self]) -> None:
        if self.widens(node):
            self._check_wide(node)
        else:
            check_unary(node, NUMBERS, OUTPUT, MASKED_SCALE)
        x = node.inputs[0].type
        if not x.shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)
        if x.dtype is DType.F32:
            return
        if x.dtype is DType.I16:
            if not 0 < self.beta * x.scale < GREATEST_STEP:
                raise fail(node, f"beta {self.beta:.6g} times scale {x.scale:.6g} is out of range")
            if x.shape[-1] >= 1 << 16:
                raise fail(node, f"has {x.shape[-1]} classes", "end the network with the logits")
            return
        if not self.beta * x.scale * (1 << (31 - DIFFERENCE_BITS)) > 1:
            raise fail(node, f"beta {self.beta:.6g} times scale {x.scale:.6g} is too small")
        if x.shape[-1] >= 1 << SUM_BITS:
            raise fail(
                node,
                f"has {x.shape[-1]} classes, int8 softmax sums at most {(1 << SUM_BITS) - 1}",
                "end the network with the logits",
            )

    def widens(self, node: Node[Self]) -> bool:
        """Whether int8 becomes int16."""
        x, out = node.inputs[0].type, node.output.type
        return (x.dtype, out.dtype) == (DType.I8, DType.I16)

    def _check_wide(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_shape(node, out, x.shape, "output")
        expect_quant(node, x, "input", largest=MASKED_SCALE)
        (scale,), (zero,) = WIDE.scale, WIDE.zero_point
        expect_quant(node, out, "output", centred=False)
        if out.zero_point != zero or abs(out.scale / scale - 1) > _WIDE_TOLERANCE:
            raise fail(
                node, f"its int16 output has not the scale {scale:.6g} and the zero point {zero}",
                REQUANTIZE, "E304",
            )  # fmt: skip

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        return (self, order) if order[-1] == len(order) - 1 else None

    def multiplier16(self, node: Node[Self]) -> tuple[int, int]:
        """(multiplier, shift) from an int16 distance to steps of `_EXP`, 10 / 65535 each; the
        scale times beta is a float32 (SoftmaxPrepare)."""
        scaled = np.float32(node.inputs[0].type.scale) * np.float32(self.beta)
        return quantize_multiplier(float(scaled) / (10.0 / 65535.0))

    def _evaluate16(self, node: Node[Self], x: Array) -> Array:
        """SoftmaxInt16 of reference/softmax.h."""
        wide = x.astype(np.int64)
        steps = multiply_double_rounding(
            wide - wide.max(-1, keepdims=True), *self.multiplier16(node)
        )
        powers = interpolate16(EXP, np.clip(steps + 32767, -32768, 32767))
        total = powers.sum(-1, keepdims=True)
        zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
        fraction = (((total << (zeros - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16)
        inverse = interpolate16(INVERSE, np.clip(fraction, -32768, 32767))
        right = 31 - zeros
        y: Array = (powers * inverse + (np.int64(1) << (right - 1))) >> right
        return np.clip(y, 0, 32767).astype(np.int16)

    def exp_table(self, node: Node[Self]) -> Array:
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

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        greatest = x.max(-1, keepdims=True)
        if x.dtype == np.float32:
            powers = np.exp((x - greatest) * np.float32(self.beta))
            return (powers / np.cumsum(powers, -1, dtype=np.float32)[..., -1:],)
        if x.dtype == np.int16:
            return (self._evaluate16(node, x),)
        powers = self.exp_table(node)[greatest.astype(np.int32) - x].astype(np.int64)
        total = rounding_divide_by_pot(powers, SUM_BITS).sum(-1, keepdims=True)
        scale, shift = reciprocal(total, SUM_BITS)
        out = node.output.type.dtype
        right = shift + 31 - 8 * out.size
        y = rounding_divide_by_pot(saturating_doubling_high_mul(scale, powers), right)
        low, high = out.limits
        return (np.clip(y + low, low, high).astype(out.numpy),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        shapes: list[tuple[tuple[int, ...], float, float]] = [
            ((1, 1), 1.0, 0.1),
            ((1, 10), 1.0, 0.15),
            ((2, 3, 7), 0.5, 0.02),
            ((5,), 2.0, 2.4),
            ((1, 1001), 1.0, 1e-4),
            ((4, 2), 1.0, 1e-7),
        ]
        for shape, beta, scale in shapes:
            for dtype, to, quant in (
                (DType.I8, DType.I8, OUTPUT), (DType.I8, DType.I16, WIDE),
                (DType.I16, DType.I16, FRACTION), (DType.F32, DType.F32, None),
            ):  # fmt: skip
                x = Value("x", random_type(rng, dtype, shape, scale), "case")
                y = Value("y", TensorType(shape, to, quant), "case")
                yield Node(cls(beta), (x,), (y,), "case")
