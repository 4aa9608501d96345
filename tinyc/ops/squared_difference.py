"""SQUARED_DIFFERENCE: (x - y)^2 of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._binary import WHOLE, binary_cases, check_binary
from .base import fail, register

LEFT_SHIFT = 7
"""Bits by which int8 operands are shifted up; their difference's square still fits 31, as that
of int16 operands does without."""

_TYPES = (*WHOLE, DType.I16)


@register
@dataclass(frozen=True)
class SquaredDifference(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, int16, float32 or
    int32, which keeps its low bits. LiteRT has none of int16; TensorFlow Lite Micro has
    (squared_difference.cc)."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, _TYPES)
        if node.output.type.quant is not None and not squared_difference_reals(node)[2] < 1:
            raise fail(
                node, "its operands' scales are too large for its output's",
                "quantize the model again, with data like the real one", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        if node.output.type.dtype not in (DType.I8, DType.I16):
            with np.errstate(all="ignore"):
                return (np.square(np.subtract(*inputs)),)
        # SquaredDifference of squared_difference.cc
        reals, out = squared_difference_reals(node), node.output.type
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << left_shift(node),
                *quantize_multiplier(real),
            )
            for array, value, real in zip(inputs, node.inputs, reals[:2], strict=True)
        )
        z = multiply_double_rounding((x - y) ** 2, *quantize_multiplier(reals[2]))
        return (clamp(z + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in binary_cases(rng, cls(), _TYPES, least=1e-4):
            if node.output.type.quant is None or squared_difference_reals(node)[2] < 1:
                yield node


def squared_difference_reals(node: Node) -> tuple[float, float, float]:
    """Real multipliers of x, of y, and of the square of their difference, at which the larger
    scale counts 1/2."""
    x, y, out = (v.type.scale for v in (*node.inputs, node.output))
    twice = 2 * max(x, y)
    return x / twice, y / twice, twice * twice / ((1 << 2 * left_shift(node)) * out)


def left_shift(node: Node) -> int:
    return LEFT_SHIFT if node.output.type.dtype is DType.I8 else 0
