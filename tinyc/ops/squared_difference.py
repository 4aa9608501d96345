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
"""Bits by which int8 operands are shifted up; their difference's square still fits 31."""


@register
@dataclass(frozen=True)
class SquaredDifference(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, float32 or int32,
    which keeps its low bits."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, WHOLE)
        if node.output.type.dtype is DType.I8 and not squared_difference_reals(node)[2] < 1:
            raise fail(
                node, "its operands' scales are too large for its output's",
                "quantize the model again, with data like the real one", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        if node.output.type.dtype is not DType.I8:
            with np.errstate(all="ignore"):
                return (np.square(np.subtract(*inputs)),)
        # SquaredDifference of squared_difference.cc
        reals, out = squared_difference_reals(node), node.output.type
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << LEFT_SHIFT,
                *quantize_multiplier(real),
            )
            for array, value, real in zip(inputs, node.inputs, reals[:2], strict=True)
        )
        z = multiply_double_rounding((x - y) ** 2, *quantize_multiplier(reals[2]))
        return (clamp(z + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls(), WHOLE, least=1e-4)


def squared_difference_reals(node: Node) -> tuple[float, float, float]:
    """Real multipliers of x, of y, and of the square of their difference, at which the larger
    scale counts 1/2."""
    x, y, out = (v.type.scale for v in (*node.inputs, node.output))
    twice = 2 * max(x, y)
    return x / twice, y / twice, twice * twice / ((1 << 2 * LEFT_SHIFT) * out)
