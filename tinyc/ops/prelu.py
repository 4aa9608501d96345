"""PRELU: x where x >= 0, else alpha * x, alpha broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import clamp, multiply_double_rounding, quantize_multiplier
from ._binary import NUMBERS, binary_cases, check_binary, operand
from ._conv import random_type
from .base import expect_ratio, register


@register
@dataclass(frozen=True)
class Prelu(Op):
    """Inputs: x, alpha, which broadcast; output of their common shape; all int8 or
    float32, or int16 with an int8 alpha."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        wide = node.output.type.dtype is DType.I16
        check_binary(node, NUMBERS, second=DType.I8 if wide else None)
        if node.output.type.dtype is not DType.F32:
            most = 1 << 15 if wide else 255
            for reach, ratio in zip((most, most * 255), _ratios(node), strict=True):
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
        for node in binary_cases(rng, cls(), (DType.I16,), least=1e-4):
            x, alpha = node.inputs
            narrow = random_type(rng, DType.I8, alpha.type.shape)
            slope = operand(rng, "alpha", narrow, alpha.constant)
            yield Node(node.op, (x, slope), node.outputs, node.origin)


def _ratios(node: Node) -> tuple[float, float]:
    """For x, and for x * alpha, in float32 as in TFLite (PreluPrepare)."""
    x, alpha, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    return float(x / out), float(x * alpha / out)


def multipliers(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    positive, negative = map(quantize_multiplier, _ratios(node))
    return positive, negative
