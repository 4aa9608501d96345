"""DIV, FLOOR_DIV and FLOOR_MOD: quotients and rests of broadcast operands.

What divides integers by zero, which TFLite refuses when it meets it, is told of each operator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op, OpT
from ..ir.quant import quantize_multiplier, rounding_divide_by_pot, saturating_doubling_high_mul
from ._binary import WHOLE, binary_cases, check_binary
from ._conv import clamp_output, expect_activation
from ._fixedpoint import reciprocal
from ._mixins import Activated
from .base import fail, register

GREATEST_SHIFT = 23
"""Of an int8 quotient's multiplier: as many bits at least are free above an int8 operand."""


class Quotient(Op):
    """What divides its second operand into its first."""

    elementwise = True

    def check_divisor(self, node: Node[Self]) -> None:
        """E350 for a constant that holds a zero, where that is no infinity."""
        y = node.inputs[1]
        if y.data is None or y.type.dtype is DType.F32 or np.all(y.data != y.type.zero_point):
            return
        raise fail(
            node, f"divides by '{y.name}', which holds a zero",
            "divide by other numbers, or in float32", "E350",
        )  # fmt: skip


@register
@dataclass(frozen=True)
class Div(Activated, Quotient):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, float32, or int32,
    where the quotient is cut towards zero.

    By zero, int8 gives the end of its range that has x's sign, 0 by 0 and int32 give 0.
    """

    def check(self, node: Node[Self]) -> None:
        check_binary(node, WHOLE)
        expect_activation(node)
        self.check_divisor(node)
        dtype = node.output.type.dtype
        if dtype is DType.I8 and div_multiplier(node)[1] > GREATEST_SHIFT:
            raise fail(
                node, "its operands' scales are too far from its output's",
                "quantize the model again, with data like the real one", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        dtype = node.output.type.dtype
        if dtype is DType.F32:
            with np.errstate(all="ignore"):
                return (clamp_output(node, x / y),)
        x, y = (
            array.astype(np.int64) - value.type.zero_point
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        whole = np.abs(np.where(y == 0, 1, y))
        x, sign = np.where(y < 0, -x, x), np.where(y == 0, 0, 1)
        if dtype is DType.I32:
            return ((np.sign(x) * (np.abs(x) // whole) * sign).astype(np.int32),)
        # DivElementwise of reference/div.h
        inverse, digits = reciprocal(whole, 31)
        free = 31 - np.frexp(np.where(x < 0, ~x, x).astype(np.float64))[1].astype(np.int64)
        multiplier, shift = div_multiplier(node)
        quotient = saturating_doubling_high_mul(x << free, inverse)
        scaled = saturating_doubling_high_mul(quotient, np.int64(multiplier))
        right = digits + free - shift
        # From 32 on C has no answer, and so neither has TFLite; it is under a half.
        z = np.where(right > 31, 0, rounding_divide_by_pot(scaled, np.minimum(right, 31)))
        z = np.where(sign == 0, np.sign(x) * 512, z)
        return (clamp_output(node, z + node.output.type.zero_point),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for op in (cls("none"), cls("relu6")):
            for node in binary_cases(
                rng, op, WHOLE[: 3 if op.activation == "none" else 2], least=0.1
            ):
                yield _without_zeros(node)


def _without_zeros(node: Node[OpT]) -> Node[OpT]:
    """``node``, any zero of whose constant divisor is another number."""
    y = node.inputs[1]
    if y.data is None:
        return node
    zero = y.type.zero_point
    data = np.where(y.data == zero, zero + 1 if zero < 0 else zero - 1, y.data)
    return replace(node, inputs=(node.inputs[0], replace(y, data=data.astype(y.data.dtype))))


def div_multiplier(node: Node) -> tuple[int, int]:
    """x's scale / (y's scale * output's scale), in float32 as in TFLite (div.cc)."""
    x, y, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    with np.errstate(all="ignore"):
        ratio = float(x / (y * out))
    return quantize_multiplier(ratio if math.isfinite(ratio) else 2.0**31)


class Floored(Quotient):
    """Inputs: x, y, which broadcast; output of their common shape; all float32 or all int32.
    An integer by zero gives 0."""

    tflite: ClassVar[tuple[str, ...]]

    def check(self, node: Node[Self]) -> None:
        check_binary(node, (DType.F32, DType.I32))
        self.check_divisor(node)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from map(_without_zeros, binary_cases(rng, cls(), (DType.F32, DType.I32)))


@register
@dataclass(frozen=True)
class FloorDiv(Floored):
    """The greatest integer up to x / y, see `Floored`; of float32 the quotient is double's."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        with np.errstate(all="ignore"):
            if x.dtype == np.float32:
                quotient = x.astype(np.float64) / y.astype(np.float64)
                return (np.floor(quotient).astype(np.float32),)
            x, y = x.astype(np.int64), y.astype(np.int64)
            return (np.where(y == 0, 0, x // np.where(y == 0, 1, y)).astype(np.int32),)


@register
@dataclass(frozen=True)
class FloorMod(Floored):
    """What `FloorDiv` leaves, of y's sign (FloorMod of reference_ops.h), see `Floored`."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        with np.errstate(all="ignore"):
            rest = np.fmod(x, y) if x.dtype == np.float32 else np.fmod(x, np.where(y == 0, 1, y))
            rest = np.where((rest != 0) & ((y < 0) != (rest < 0)), rest + y, rest)
        return (rest.astype(x.dtype),)
