"""MUL: x * y of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import multiply_double_rounding, quantize_multiplier
from ._binary import NUMBERS, binary_cases, check_binary
from ._conv import clamp_output, expect_activation
from ._mixins import Activated
from .base import expect_ratio, register


@register
@dataclass(frozen=True)
class Mul(Activated):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, all int16 or all
    float32."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_binary(node, NUMBERS)
        expect_activation(node)
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 255 * 255, _ratio(node))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        if x.dtype == np.float32:
            return (clamp_output(node, x * y),)
        # MulElementwise of reference_integer_ops/mul.h
        x, y = (
            array.astype(np.int64) - value.type.zero_point
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        z = multiply_double_rounding(x * y, *mul_multiplier(node)) + node.output.type.zero_point
        return (clamp_output(node, z),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls("none"), NUMBERS)
        yield from binary_cases(rng, cls("relu"), NUMBERS)


def _ratio(node: Node) -> float:
    """x's scale * y's scale / output's scale, in float32 as in TFLite (mul.cc)."""
    x, y, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    return float(x * y / out)


def mul_multiplier(node: Node) -> tuple[int, int]:
    return quantize_multiplier(_ratio(node))
