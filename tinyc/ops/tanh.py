"""TANH: the hyperbolic tangent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node, Op, Quant
from ._binary import NUMBERS
from ._curves16 import check_curve16, curve16_cases, tanh16
from ._unary import check_unary, float_curve, unary_cases
from .base import register

OUTPUT = Quant((1 / 128,), (0,))
"""The only int8 output that TFLite's tanh has."""


@register
@dataclass(frozen=True)
class Tanh(Op):
    """Input and output of one shape, int8 (output scale 1/128, zero point 0), int16
    (output scale 1/32768) or float32."""

    elementwise = True
    fixed_quant = OUTPUT

    def check(self, node: Node[Self]) -> None:
        check_unary(node, NUMBERS, OUTPUT)
        check_curve16(node)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            return (np.tanh(x),)
        if x.dtype == np.int16:
            return (tanh16(x, node.inputs[0].type),)
        # in double, since float32's tanh differs from one library to another
        return (float_curve(node, x, lambda real: np.tanh(real.astype(np.float64))),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(),), OUTPUT, NUMBERS)
        yield from curve16_cases(cls())
