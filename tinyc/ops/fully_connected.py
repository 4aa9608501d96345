"""FULLY_CONNECTED: y[b, o] = bias[o] + sum x[b, i] * w[o, i]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Along, Array, DType, Node, Value
from ..ir.quant import multiply_real
from ._conv import (
    centred_weights,
    check_operands,
    clamp_output,
    finish,
    float_scaled_case,
    matmul,
    real_multipliers,
    unsigned_case,
    weighted_case,
)
from ._hybrid import Hybrid, hybrid_cases
from ._int16 import check_sums
from ._mixins import Weighted
from ._move import renamed, row_places, taken
from ._weight_cases import narrow_case, sparse_case
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


@register
@dataclass(frozen=True)
class FullyConnected(Weighted):
    """Inputs: x of any rank, read as [batches, in]; weights [out, in]; bias [out].

    Output [batches, out], or x's shape with the last extent replaced if ``keep_num_dims``.
    int8 (bias int32, weights per tensor or per channel along 0), int16 (bias int64 or int32,
    weights as before) or float32.
    """

    keep_num_dims: bool = False

    weight_axis = 0
    rounds_once = True  # as LiteRT's reference does it

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(weights.shape) != 2:
            raise fail(node, "its weights are not of rank 2", CONVERT_AGAIN)
        channels, depth = weights.shape
        fits = x.shape[-1:] == (depth,) if self.keep_num_dims else x.elements % depth == 0
        if not fits:
            raise fail(node, f"input {list(x.shape)} does not fit {depth} weights", CONVERT_AGAIN)
        check_operands(node, channels, 0, depth)
        weights_data = node.inputs[1].array
        check_sums(node, weights_data, dense=True)
        lead = x.shape[:-1] if self.keep_num_dims else (x.elements // depth,)
        expect_shape(node, node.output.type, (*lead, channels), "output")

    def absorbing(self, node: Node[Self], places: Array) -> tuple[Value, ...] | None:
        x, weights, *rest = node.inputs
        columns = row_places(places, weights.type.shape[1])
        if weights.data is None or columns is None:
            return None
        data = np.empty_like(weights.data)
        data[:, columns] = weights.data
        return x, replace(weights, data=data), *rest

    def ordered(self, node: Node[Self], places: Array) -> tuple[Value, ...] | None:
        x, weights, bias = node.inputs
        rows = row_places(places, weights.type.shape[0])
        if rows is None or not (weights.constant and bias.constant) or len(bias.type.shape) != 1:
            return None
        return x, taken(weights, 0, rows.tolist()), taken(bias, 0, rows.tolist())

    def along(self, node: Node[Self], operand: int, axis: int) -> Along | None:
        x, out = node.inputs[0].type.shape, node.output.type.shape
        rows = x[-1] == node.inputs[1].type.shape[1] and operand == 0 and axis < len(x) - 1
        return renamed(x, axis, out) if rows else None

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        acc = self.sums(node, x, centred_weights(node, inputs[1]), zero)
        y = self._finish_int16(node, acc) if x.dtype == np.int16 else finish(node, acc)
        return (y.reshape(node.output.type.shape),)

    def sums(self, node: Node[Self], x: Array, weights: Array, zero: int) -> Array:
        """Sums [batches, out] of x minus ``zero`` times the weights."""
        return matmul(x.reshape(-1, weights.shape[1]), weights.T, zero)

    def _finish_int16(self, node: Node[Self], acc: Array) -> Array:
        """As `finish`; LiteRT scales in float64 (FullyConnected of
        reference_integer_ops/fully_connected.h)."""
        bias = node.inputs[2].array
        acc = acc + bias.ravel()
        if bias.dtype == np.int32:
            acc = acc.astype(np.int32)
        return clamp_output(node, multiply_real(acc, np.array(real_multipliers(node))))

    def macs(self, node: Node[Self]) -> int:
        return node.output.type.elements * node.inputs[1].type.shape[1]

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # x, channels, depth, keep_num_dims, activation
        shapes: list[tuple[tuple[int, ...], int, int, bool, str]] = [
            ((1, 1), 1, 1, False, "none"),
            ((1, 5), 3, 5, False, "relu"),
            ((1, 64), 12, 64, False, "none"),
            ((2, 3, 6), 5, 9, False, "relu6"),
            ((2, 3, 7), 4, 7, True, "relu_n1_to_1"),
            ((19,), 2, 19, False, "none"),
        ]
        for x, channels, depth, keep, activation in shapes:
            lead = x[:-1] if keep else (int(np.prod(x)) // depth,)
            triple = (x, (channels, depth), (*lead, channels))
            for dtype, per_channel in ((DType.I8, True), (DType.I8, False), (DType.F32, False)):
                yield weighted_case(cls(activation, keep), rng, dtype, triple, 0, per_channel)
            yield unsigned_case(cls(activation, keep), rng, triple)
            yield float_scaled_case(cls(activation, keep), rng, triple, 0)
            for bias in (DType.I64, DType.I32):
                yield weighted_case(cls(activation, keep), rng, DType.I16, triple, 0, True, bias)
        # Weights of 4 and of 2 bits.
        for rows, channels, depth in ((1, 1, 8), (1, 5, 60), (2, 12, 9), (1, 7, 256), (4, 8, 36)):
            triple = ((rows, depth), (channels, depth), (rows, channels))
            for bits in (4, 2):
                yield narrow_case(weighted_case(cls("none"), rng, DType.I8, triple, 0), bits, rng)
        # Sums of more than 32 bits.
        for bias in (DType.I64, DType.I32):
            triple = ((2, 2003), (5, 2003), (2, 5))
            yield weighted_case(cls("none"), rng, DType.I16, triple, 0, True, bias)
        # Weights that are zero for the most part.
        for rows in (1, 3):
            triple = ((rows, 31), (6, 31), (rows, 6))
            for per_channel in (True, False):
                node = weighted_case(cls("none"), rng, DType.I8, triple, 0, per_channel)
                yield sparse_case(node, rng)
        # Larger layers of 4 and of 2 bits.
        for rows, bits in ((1, 4), (3, 4), (1, 2), (3, 2)):
            triple = ((rows, 96), (13, 96), (rows, 13))
            plain = weighted_case(cls("relu"), rng, DType.I8, triple, 0, False)
            yield narrow_case(plain, bits, rng)


@register
class HybridFullyConnected(Hybrid[FullyConnected]):
    """See `Hybrid`."""

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from hybrid_cases(cls, FullyConnected.cases(rng), rng)
