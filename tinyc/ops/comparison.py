"""EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import multiply_double_rounding, quantize_multiplier
from ._binary import binary_cases, check_binary
from .base import expect_ratio, register

LEFT_SHIFT = 8
"""Bits after the point of the real numbers as which quantized operands are compared."""

NUMBERS = (DType.I8, DType.I16, DType.F32, DType.I32, DType.I64)


class Comparison(Op):
    """Inputs: x, y, of one type, which broadcast; output: bool of their common shape.

    int8 operands, each with its own quantization, are compared as real numbers in steps of 1/256,
    as in TFLite: what differs by less may be equal. So are int16 ones for equality; their order is
    that of what is stored.
    """

    elementwise = True
    compare: ClassVar[np.ufunc]
    allowed: ClassVar[tuple[DType, ...]] = NUMBERS
    scaled: ClassVar[tuple[DType, ...]] = (DType.I8,)

    def check(self, node: Node[Self]) -> None:
        check_binary(node, self.allowed, DType.BOOL)
        if (dtype := node.inputs[0].type.dtype) in self.scaled:
            reach = 255 if dtype is DType.I8 else 1 << 15
            expect_ratio(node, reach << LEFT_SHIFT, *(v.type.scale for v in node.inputs))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        if node.inputs[0].type.dtype not in self.scaled:
            return (self.compare(*inputs),)
        # ComparisonWithScaling of reference/comparisons.h
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << LEFT_SHIFT,
                *quantize_multiplier(value.type.scale),
            )
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        return (self.compare(x, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls(), cls.allowed, out=DType.BOOL)


@register
@dataclass(frozen=True)
class Equal(Comparison):
    """x == y, see `Comparison`; bool too."""

    compare = np.equal
    allowed = (*NUMBERS, DType.BOOL)
    scaled = (DType.I8, DType.I16)


@register
@dataclass(frozen=True)
class NotEqual(Comparison):
    """x != y, see `Comparison`; bool too."""

    compare = np.not_equal
    allowed = (*NUMBERS, DType.BOOL)
    scaled = (DType.I8, DType.I16)


@register
@dataclass(frozen=True)
class Less(Comparison):
    """x < y, see `Comparison`."""

    compare = np.less


@register
@dataclass(frozen=True)
class LessEqual(Comparison):
    """x <= y, see `Comparison`."""

    compare = np.less_equal


@register
@dataclass(frozen=True)
class Greater(Comparison):
    """x > y, see `Comparison`."""

    compare = np.greater


@register
@dataclass(frozen=True)
class GreaterEqual(Comparison):
    """x >= y, see `Comparison`."""

    compare = np.greater_equal
