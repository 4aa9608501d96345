"""L2_NORMALIZATION: x / sqrt(the sum of its squares) over the last axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order, Quant
from ..ir.quant import clamp, multiply_double_rounding
from ._fixedpoint import inverse_sqrt
from ._mixins import Rowwise
from ._unary import check_unary, unary_cases
from .base import CONVERT_AGAIN, fail, register

OUTPUT = Quant((1 / 128,), (0,))
"""The only int8 output that TFLite's normalization has."""

EPSILON = 1e-6
"""The least norm of float32."""

DEEPEST = 1 << 15
"""Most int8 elements of whose squares 31 bits hold the sum."""


@register
@dataclass(frozen=True)
class L2Normalization(Rowwise):
    """Input and output of one shape, int8 (output scale 1/128, zero point 0) or float32."""

    fixed_quant = OUTPUT

    def check(self, node: Node[Self]) -> None:
        check_unary(node, fixed=OUTPUT)
        shape = node.output.type.shape
        if not shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)
        if node.output.type.dtype is DType.I8 and shape[-1] > DEEPEST:
            raise fail(node, f"{shape[-1]} elements are over {DEEPEST:,}", "use float32")

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        return (self, order) if order[-1] == len(order) - 1 else None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            with np.errstate(all="ignore"):
                squares = np.cumsum(x * x, axis=-1, dtype=np.float32)[..., -1:]
                norm = np.sqrt(squares)
                # What is no number is not less.
                return (x / np.where(norm < np.float32(EPSILON), np.float32(EPSILON), norm),)
        # reference_integer_ops/l2normalization.h
        whole = x.astype(np.int64) - node.inputs[0].type.zero_point
        multiplier, right = inverse_sqrt((whole * whole).sum(-1, keepdims=True))
        return (clamp(multiply_double_rounding(whole, multiplier, 7 - right), -128, 127, DType.I8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(),), OUTPUT)
