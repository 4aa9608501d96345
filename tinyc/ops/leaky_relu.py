"""LEAKY_RELU: x where x > 0, else alpha * x."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._binary import NUMBERS
from ._unary import check_unary, unary_cases
from .base import expect_ratio, fail, register

GREATEST_ALPHA = 1 << 20
"""Of integer nodes; it keeps alpha times a quotient of two scales within float32."""


@register
@dataclass(frozen=True)
class LeakyRelu(Op):
    """Input and output of one shape, int8, int16 or float32. alpha: finite; from 0 if
    integer."""

    alpha: float

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_unary(node, NUMBERS)
        if node.output.type.dtype is not DType.F32 and not 0 <= self.alpha < GREATEST_ALPHA:
            raise fail(
                node,
                f"its alpha is {self.alpha:.6g}",
                f"use one from 0 to {GREATEST_ALPHA}, or float32",
            )
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 255, *self._ratios(node))

    def _ratios(self, node: Node[Self]) -> tuple[float, float]:
        """For numbers from 0, and for those below; LeakyReluPrepare multiplies in float32."""
        scale, out = (np.float32(v.type.scale) for v in (node.inputs[0], node.output))
        return float(scale / out), float(scale * np.float32(self.alpha) / out)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            return (np.where(x > 0, x, x * np.float32(self.alpha)),)
        # QuantizeLeakyRelu
        source, out = node.inputs[0].type, node.output.type
        centred = x.astype(np.int64) - source.zero_point
        positive, negative = (
            multiply_double_rounding(centred, *quantize_multiplier(r)) for r in self._ratios(node)
        )
        y = np.where(centred >= 0, positive, negative)
        return (clamp(y + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(0.1), cls(0.0), cls(1.5)), dtypes=NUMBERS)
