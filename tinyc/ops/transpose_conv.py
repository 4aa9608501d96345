"""TRANSPOSE_CONV: y[n, iy*s + ky - pad, ...] += x[n, iy, ix, i] * w[o, ky, kx, i], then bias."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ._conv import (
    LARGEST_INDEX,
    centred_weights,
    check_operands,
    filter_rows,
    finish,
    float_scaled_case,
    unsigned_case,
    weighted_case,
)
from ._hybrid import Hybrid, hybrid_cases
from ._int16 import check_sums
from ._mixins import Pair, Weighted
from .base import CONVERT_AGAIN, expect_arity, fail, register


@register
@dataclass(frozen=True)
class TransposeConv(Weighted):
    """Inputs: x [n, h, w, c], weights [o, kh, kw, c], bias [o]; output [n, oh, ow, o].

    int8 (bias int32, weights per tensor or per channel along 0), int16 (bias int64 or int32,
    weights as before) or float32. stride: (height, width); cut: (top, left) rows and columns of
    the full result that the output leaves out.
    """

    stride: Pair
    cut: Pair

    weight_axis = 0

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        out = node.output.type
        if not len(x.shape) == len(weights.shape) == len(out.shape) == 4:
            raise fail(node, "input, weights or output are not of rank 4", CONVERT_AGAIN)
        channels, kh, kw, depth = weights.shape
        if depth != x.shape[3] or out.shape[3] != channels or out.shape[0] != x.shape[0]:
            raise fail(node, "input, weights and output do not fit", CONVERT_AGAIN)
        check_operands(node, channels, 0, kh * kw * depth)
        check_sums(node, filter_rows(node))
        sizes = zip(x.shape[1:3], (kh, kw), self.stride, self.cut, strict=True)
        if min(self.stride) < 1 or min(self.cut) < 0:
            raise fail(node, "its stride or padding is out of range", CONVERT_AGAIN)
        if any(size * s + k + cut >= LARGEST_INDEX for size, k, s, cut in sizes):
            raise fail(node, "its window reaches beyond 2^30 pixels", CONVERT_AGAIN)

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        return (finish(node, self.sums(node, x, centred_weights(node, inputs[1]), zero)),)

    def sums(self, node: Node[Self], x: Array, weights: Array, zero: int) -> Array:
        """Sums [n, oh, ow, o] of x minus ``zero`` times the weights."""
        _, kh, kw, depth = weights.shape
        is_float = x.dtype == np.float32
        x = x if is_float else x.astype(np.int64) - zero
        acc = np.zeros(node.output.type.shape, x.dtype)
        # From the last tap to the first, each sum meets its pixels in memory order.
        for ky in reversed(range(kh)):
            rows_in, rows_out = self._reach(node, 0, ky)
            for kx in reversed(range(kw)):
                columns_in, columns_out = self._reach(node, 1, kx)
                source = x[:, rows_in, columns_in]
                target = acc[:, rows_out, columns_out]
                taps = weights[:, ky, kx].astype(x.dtype)
                if is_float:
                    for i in range(depth):
                        target += source[..., i, None] * taps[:, i]
                else:
                    target += source @ taps.T
        return acc

    def _reach(self, node: Node[Self], axis: int, tap: int) -> tuple[slice, slice]:
        """The input positions along ``axis`` that ``tap`` carries into the output, and where."""
        size, out = (v.type.shape[1 + axis] for v in (node.inputs[0], node.output))
        stride, start = self.stride[axis], tap - self.cut[axis]
        first = max(0, -(start // stride))
        end = max(first, min(size, -(-(out - start) // stride)))
        at = first * stride + start
        return slice(first, end), slice(at, at + (end - first) * stride, stride)

    def macs(self, node: Node[Self]) -> int:
        channels, kh, kw, _ = node.inputs[1].type.shape
        return node.inputs[0].type.elements * kh * kw * channels

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # x, (out, kernel h, w), stride, cut, output (h, w), activation
        shapes: list[tuple[tuple[int, ...], tuple[int, int, int], Pair, Pair, Pair, str]] = [
            ((1, 1, 1, 1), (1, 1, 1), (1, 1), (0, 0), (1, 1), "none"),
            ((1, 3, 4, 4), (3, 3, 3), (2, 2), (0, 0), (7, 9), "relu"),
            ((1, 3, 2, 5), (2, 2, 4), (2, 3), (0, 0), (6, 6), "relu6"),
            ((1, 4, 5, 3), (4, 3, 3), (1, 1), (1, 1), (4, 5), "none"),
            ((2, 2, 2, 2), (3, 1, 2), (3, 2), (0, 0), (6, 4), "none"),
            ((1, 3, 3, 1), (2, 5, 4), (2, 2), (1, 1), (6, 6), "relu_n1_to_1"),
        ]
        for x, (channels, kh, kw), stride, cut, size, activation in shapes:
            triple = (x, (channels, kh, kw, x[3]), (x[0], *size, channels))
            op = cls(activation, stride, cut)
            for dtype, per_channel in ((DType.I8, True), (DType.I8, False), (DType.F32, False)):
                yield weighted_case(op, rng, dtype, triple, 0, per_channel)
            yield unsigned_case(op, rng, triple)
            yield float_scaled_case(op, rng, triple, 0)
            for bias in (DType.I64, DType.I32):
                yield weighted_case(op, rng, DType.I16, triple, 0, True, bias)


@register
class HybridTransposeConv(Hybrid[TransposeConv]):
    """See `Hybrid`: always of asymmetric numbers. LiteRT's sums are float32, these are exact: the
    two agree within float32's rounding of a sum."""

    always_asymmetric = True

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from hybrid_cases(cls, TransposeConv.cases(rng), rng)
