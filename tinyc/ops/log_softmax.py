"""LOG_SOFTMAX: x - log(the sum of exp(x)) over the last axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op, Order
from ._mixins import Rowwise
from ._unary import check_unary, integer_cases
from .base import CONVERT_AGAIN, fail, register


@register
@dataclass(frozen=True)
class LogSoftmax(Rowwise):
    """Input and output of one shape, float32."""

    def check(self, node: Node[Self]) -> None:
        if node.inputs and node.inputs[0].type.dtype is DType.I8:
            raise fail(
                node, "is int8, for which there is no kernel",
                "end the network before it, with the logits, or with SOFTMAX: of both the order is "
                "the same", "E351",
            )  # fmt: skip
        check_unary(node, (DType.F32,))
        if not node.output.type.shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)

    def transposed(self, node: Node[Self], order: Order) -> tuple[Op, Order] | None:
        return (self, order) if order[-1] == len(order) - 1 else None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        # LogSoftmax of reference_ops.h; exp and log by way of double, where libraries agree.
        (x,) = inputs
        with np.errstate(all="ignore"):
            least = np.finfo(np.float32).min
            centred = x - np.fmax.reduce(x, axis=-1, keepdims=True, initial=least)
            powers = np.exp(centred.astype(np.float64)).astype(np.float32)
            total = np.cumsum(powers, axis=-1, dtype=np.float32)[..., -1:]
            return (centred - np.log(total.astype(np.float64)).astype(np.float32),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from integer_cases(cls(), (DType.F32,))
