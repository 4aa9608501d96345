"""LOGISTIC: 1 / (1 + exp(-x))."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node, Op, Quant
from ._binary import NUMBERS
from ._curves16 import check_curve16, curve16_cases, logistic16
from ._unary import check_unary, float_curve, unary_cases
from .base import register

OUTPUT = Quant((1 / 256,), (-128,))
"""The only int8 output that TFLite's logistic has."""


@register
@dataclass(frozen=True)
class Logistic(Op):
    """Input and output of one shape, int8 (output scale 1/256, zero point -128), int16
    (output scale 1/32768) or float32."""

    elementwise = True
    fixed_quant = OUTPUT

    def check(self, node: Node[Self]) -> None:
        check_unary(node, NUMBERS, OUTPUT)
        check_curve16(node)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            # TFLite's reference returns 1 and exp(x) where the formula is that to a float32.
            with np.errstate(over="ignore"):
                return (np.float32(1) / (np.float32(1) + np.exp(-x)),)
        if x.dtype == np.int16:
            return (logistic16(x, node.inputs[0].type),)
        return (float_curve(node, x, _logistic),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(),), OUTPUT, NUMBERS)
        yield from curve16_cases(cls())


def _logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)) in float32, its exp rounded from double's: float32's own differs from one
    library to another."""
    with np.errstate(over="ignore"):
        power = np.exp(-x.astype(np.float64)).astype(np.float32)
    return np.float32(1) / (np.float32(1) + power)
