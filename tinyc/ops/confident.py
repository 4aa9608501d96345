"""Whether a classifier is sure: its greatest score reaches a threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Quant, TensorType
from ._move import case
from .base import expect_arity, expect_dtype, expect_quant, expect_shape, register


@register
@dataclass(frozen=True)
class Confident(Op):
    """Input: scores, int8, uint8 or int16 with one scale, or float32; output: bool [1], whether
    one of them stands for ``threshold`` or more.

    That is decided by real numbers, without any rounding: of integers by `least` alone.
    """

    threshold: float

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, out = node.inputs[0].type, node.output.type
        expect_dtype(node, x, (DType.I8, DType.U8, DType.I16, DType.F32), "input")
        if x.dtype is not DType.F32:
            expect_quant(node, x, "input", centred=False)
        expect_dtype(node, out, (DType.BOOL,), "output")
        expect_shape(node, out, (1,), "output")

    def least(self, type: TensorType) -> int:
        """The least integer of ``type`` that stands for the threshold or more; one more than the
        greatest that there is where none does."""
        low, high = type.dtype.limits
        steps = Fraction(self.threshold) / Fraction(type.scale)
        return min(max(math.ceil(steps) + type.zero_point, low), high + 1)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        type, greatest = node.inputs[0].type, inputs[0].max()
        if type.dtype is DType.F32:
            return (np.array([float(greatest) >= self.threshold]),)
        return (np.array([int(greatest) >= self.least(type)]),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        probability = Quant((1 / 256,), (-128,))
        kinds = [(DType.I8, probability), (DType.U8, Quant((1 / 256,), (0,)))]
        kinds += [(DType.I16, Quant((1 / 32768,), (0,))), (DType.I8, Quant((0.1,), (7,)))]
        for dtype, quant in kinds:
            for count, threshold in ((1, 0.25), (10, 0.8), (3, 0.0), (4, 1.0)):
                node = case(cls(threshold), dtype, [(1, count)])
                (x,) = node.inputs
                x = replace(x, type=replace(x.type, quant=quant))
                out = replace(x, name="y", type=TensorType((1,), DType.BOOL))
                yield replace(node, inputs=(x,), outputs=(out,))
