"""ADD and SUB: x + y and x - y of broadcast operands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Value
from ..ir.quant import multiply_double_rounding, quantize_multiplier, rounding_divide_by_pot
from ._binary import ARITHMETIC, NUMBERS, binary_cases, check_binary
from ._conv import clamp_output, expect_activation, random_type
from ._mixins import Activated
from .base import MASKED_SCALE, REQUANTIZE, fail, register

LEFT_SHIFT = 20
"""Bits by which int8 operands are shifted up, so that rescaling them loses nothing."""
LEFT_SHIFT_16 = 15
"""The same for int16 operands, which lose what 32 bits cannot hold."""


@register
@dataclass(frozen=True)
class Add(Activated):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, all int16, all
    float32 or all int32, which wraps around.

    pot: of int16, whether scales that are all powers of two make it a shift and a sum, as in
    TFLite files of 2020 and before.
    """

    pot: bool = False

    elementwise = True
    combine: ClassVar[np.ufunc] = np.add

    def check(self, node: Node[Self]) -> None:
        check_binary(node, ARITHMETIC, largest=MASKED_SCALE)
        expect_activation(node)
        dtype = node.output.type.dtype
        if dtype in (DType.F32, DType.I32):
            return
        if self.pot and not _pot_fits(node):
            raise fail(
                node, "its scales are powers of two, but not one operand's that of its output and "
                "the other's less by up to 15 bits", REQUANTIZE, "E304",
            )  # fmt: skip
        if not add_reals(node)[2] < 1:
            raise fail(
                node, f"its operands' scales are over 2^{_left_shift(node) - 1} times its output's",
                "quantize the model again", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        if inputs[0].dtype == np.float32:
            return (clamp_output(node, self.combine(*inputs)),)
        if inputs[0].dtype == np.int32:
            return (self.combine(*inputs, dtype=np.int64).astype(np.int32),)
        if self.pot:
            # Add of reference/add.h: a saturating sum of int16
            x, y = (
                rounding_divide_by_pot(array, shift)
                for array, shift in zip(inputs, pot_shifts(node), strict=True)
            )
            return (clamp_output(node, self.combine(x, y)),)
        reals = add_reals(node)
        # AddElementwise of reference_integer_ops/add.h and reference/add.h
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << _left_shift(node),
                *quantize_multiplier(real),
            )
            for array, value, real in zip(inputs, node.inputs, reals[:2], strict=True)
        )
        z = multiply_double_rounding(self.combine(x, y), *quantize_multiplier(reals[2]))
        return (clamp_output(node, z + node.output.type.zero_point),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls("none"), ARITHMETIC)
        yield from binary_cases(rng, cls("relu6"), NUMBERS)
        for scales in ((2.0**-9, 2.0**-11, 2.0**-9), (2.0**-14, 2.0**-11, 2.0**-11)):
            names = zip("xyz", scales, strict=True)
            x, y, z = (Value(n, random_type(rng, DType.I16, (2, 7), s), "case") for n, s in names)
            yield Node(cls("relu6", pot=True), (x, y), (z,), "case")


@register
@dataclass(frozen=True)
class Sub(Add):
    """x - y; otherwise as `Add`."""

    combine = np.subtract


def add_reals(node: Node) -> tuple[float, float, float]:
    """Real multipliers of x, of y, and of their sum, at which the larger scale counts 1/2."""
    x, y, out = (v.type.scale for v in (*node.inputs, node.output))
    twice = 2 * max(x, y)
    return x / twice, y / twice, twice / ((1 << _left_shift(node)) * out)


def _left_shift(node: Node) -> int:
    return LEFT_SHIFT_16 if node.output.type.dtype is DType.I16 else LEFT_SHIFT


def log2(scale: float) -> int | None:
    """The exponent of a scale that TFLite takes for a power of two (CheckedLog2)."""
    log = math.log2(scale)
    return round(log) if abs(log - round(log)) < 1e-3 else None


def pot_shifts(node: Node) -> tuple[int, int]:
    """Right shifts of the operands of an `Add.pot`."""
    x, y, out = (log2(v.type.scale) or 0 for v in (*node.inputs, node.output))
    return out - x, out - y


def _pot_fits(node: Node) -> bool:
    """Whether one operand has its output's scale, and the other one that is not larger, by no
    more bits than it has."""
    x, y = pot_shifts(node)
    return min(x, y) == 0 and max(x, y) <= 15
