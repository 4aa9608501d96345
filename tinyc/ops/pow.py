"""POW: x to the power of y."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, TensorType, Value
from ._binary import binary_cases, check_binary
from ._unary import check_unary, float_curve, unary_cases
from .base import expect_arity, register

TYPES = (DType.F32, DType.I32)


@register
@dataclass(frozen=True)
class Pow(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all float32 or all int32, which
    keeps its low bits. An integer's exponent below 0, which TFLite refuses, is as 0.

    Or x and output int8, and y one float32 constant; what is no number is then 0.
    """

    elementwise = True
    float_constants = True

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 2)
        x, y = node.inputs
        scalar = y.constant and y.type.dtype is DType.F32 and y.type.elements == 1
        if scalar and x.type.dtype is DType.I8:
            check_unary(replace(node, inputs=(x,)), (DType.I8,))
        else:
            check_binary(node, TYPES)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, y = inputs
        with np.errstate(all="ignore"):
            if x.dtype == np.int8:
                return (float_curve(node, x, lambda real: _number(_power(real, y))),)
            if x.dtype == np.float32:
                return (_power(x, y),)
            return (np.asarray(np.power(x, np.maximum(y, 0)), np.int32),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from binary_cases(rng, cls(), TYPES)
        for number in (2.0, 1.5, -1.0):
            data = np.array([number], np.float32)
            y = Value("y", TensorType((1,), DType.F32), "case", data)
            for node in unary_cases(rng, (cls(),)):
                if node.inputs[0].type.dtype is DType.I8:
                    yield replace(node, inputs=(*node.inputs, y))


def _power(x: Array, y: Array) -> Array:
    """By way of double, since float32's differs among libraries."""
    return np.asarray(np.power(x.astype(np.float64), y.astype(np.float64)), np.float32)


def _number(x: Array) -> Array:
    return np.where(np.isnan(x), np.float32(0), x)
