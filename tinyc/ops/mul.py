"""MUL: x * y of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import multiply_double_rounding, quantize_multiplier
from ._binary import ARITHMETIC, NUMBERS, binary_cases, check_binary
from ._conv import clamp_output, expect_activation
from ._mixins import Activated
from .base import MASKED_SCALE, expect_ratio, register


@register
@dataclass(frozen=True)
class Mul(Activated):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, all int16, all
    float32 or all int32, which wraps around."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, ARITHMETIC, largest=MASKED_SCALE)
        expect_activation(node)
        if node.output.type.quant is not None:
            expect_ratio(node, 255 * 255 if node.output.type.dtype is DType.I8 else 1, _ratio(node))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        if x.dtype == np.float32:
            return (clamp_output(node, x * y),)
        if x.dtype == np.int32:
            return (np.multiply(x, y, dtype=np.int64).astype(np.int32),)
        # MulElementwise of reference_integer_ops/mul.h
        x, y = (
            array.astype(np.int64) - value.type.zero_point
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        z = multiply_double_rounding(x * y, *mul_multiplier(node)) + node.output.type.zero_point
        return (clamp_output(node, z),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls("none"), ARITHMETIC)
        yield from binary_cases(rng, cls("relu"), NUMBERS)


def _ratio(node: Node) -> float:
    """x's scale * y's scale / output's scale, in float32 as in TFLite (mul.cc)."""
    x, y, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    with np.errstate(over="ignore", under="ignore"):
        return float(x * y / out)


def mul_multiplier(node: Node) -> tuple[int, int]:
    return quantize_multiplier(_ratio(node))
