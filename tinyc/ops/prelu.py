"""PRELU: x where x >= 0, else alpha * x, alpha broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._binary import binary_cases, check_binary
from .base import expect_ratio, register


@register
@dataclass(frozen=True)
class Prelu(Op):
    """Inputs: x, alpha, which broadcast; output of their common shape; all int8 or float32."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node)
        if node.output.type.dtype is DType.I8:
            for reach, ratio in zip((255, 255 * 255), _ratios(node), strict=True):
                expect_ratio(node, reach, ratio)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, alpha = inputs
        if x.dtype == np.float32:
            return (np.where(x >= 0, x, x * alpha),)
        x, alpha = (
            array.astype(np.int64) - value.type.zero_point
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        positive, negative = multipliers(node)
        out = node.output.type
        z = np.where(
            x >= 0,
            multiply_double_rounding(x, *positive),
            multiply_double_rounding(x * alpha, *negative),
        )
        return (clamp(z + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls())


def _ratios(node: Node) -> tuple[float, float]:
    """For x, and for x * alpha, in float32 as in TFLite (PreluPrepare)."""
    x, alpha, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    return float(x / out), float(x * alpha / out)


def multipliers(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    positive, negative = map(quantize_multiplier, _ratios(node))
    return positive, negative
