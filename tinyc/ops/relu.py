"""RELU, RELU6, RELU_N1_TO_1: clamp each element to a range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import float_activation_range, multiply_double_rounding, quantize_multiplier
from ._binary import NUMBERS
from ._conv import clamp_output, expect_activation
from ._mixins import Activated
from ._unary import check_unary, unary_cases
from .base import expect_ratio, register


@register
@dataclass(frozen=True)
class Relu(Activated):
    """Input and output of one shape, int8 or int16 (which may differ in quantization) or
    float32.

    activation: ``relu``, ``relu6`` or ``relu_n1_to_1``.
    """

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_unary(node, NUMBERS)
        expect_activation(node)
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 255, ratio(node))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        source, out = node.inputs[0].type, node.output.type
        if out.dtype is DType.F32:
            low, high = float_range(self)
            return (np.clip(x, np.float32(low), np.float32(high)),)
        centred = x.astype(np.int64) - source.zero_point
        y = multiply_double_rounding(centred, *quantize_multiplier(ratio(node))) + out.zero_point
        return (clamp_output(node, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, map(cls, ("relu", "relu6", "relu_n1_to_1")), dtypes=NUMBERS)


def ratio(node: Node) -> float:
    """Input's scale / output's scale, in float32 as in TFLite (ReluPrepare)."""
    return float(np.float32(node.inputs[0].type.scale) / np.float32(node.output.type.scale))


def float_range(op: Relu) -> tuple[float, float]:
    """The bounds of a RELU of its own, which unlike a fused one lets infinity pass."""
    low, high = float_activation_range(op.activation)
    return low, math.inf if op.activation == "relu" else high
