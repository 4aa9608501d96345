"""CONV_2D: y[n, oy, ox, o] = b[o] + sum x[n, oy*s + ky*d, ox*s + kx*d, i] * w[o, ky, kx, i]."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ._conv import (
    NO_PADDING,
    centred_weights,
    check_operands,
    check_window,
    filter_rows,
    finish,
    float_scaled_case,
    matmul,
    out_sizes,
    unsigned_case,
    weighted_case,
    windows,
)
from ._hybrid import Hybrid, hybrid_cases
from ._int16 import check_sums
from ._mixins import Padding, Pair, Weighted, Windowed
from ._weight_cases import narrow_case, sparse_case
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


@register
@dataclass(frozen=True)
class Conv2d(Weighted, Windowed):
    """Inputs: x [n, h, w, c], weights [o, kh, kw, c / groups], bias [o]; output [n, oh, ow, o].

    int8 (bias int32, weights per tensor or per channel along 0), int16 (bias int64 or int32,
    weights as before) or float32.
    """

    weight_axis = 0

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        channels, kh, kw, depth = weights.shape
        if x.shape[3] % depth or channels % (x.shape[3] // depth):
            raise fail(node, f"{x.shape[3]} channels do not fit filters of {depth}", CONVERT_AGAIN)
        check_operands(node, channels, 0, kh * kw * depth)
        check_sums(node, filter_rows(node))
        height, width = check_window(node, (kh, kw))
        expect_shape(node, node.output.type, (x.shape[0], height, width, channels), "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        return (finish(node, self.sums(node, x, centred_weights(node, inputs[1]), zero)),)

    def sums(self, node: Node[Self], x: Array, weights: Array, zero: int) -> Array:
        """Sums [n, oh, ow, o] of x minus ``zero`` times the weights."""
        _, kh, kw, depth = weights.shape
        patches = windows(x, node, (kh, kw), zero)
        groups = x.shape[3] // depth
        sums = [
            matmul(patch.reshape(*patch.shape[:3], -1), rows.reshape(len(rows), -1).T, zero)
            for patch, rows in zip(
                np.split(patches, groups, -1), np.split(weights, groups), strict=True
            )
        ]
        return np.concatenate(sums, -1)

    def macs(self, node: Node[Self]) -> int:
        _, kh, kw, depth = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw * depth

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        one = (1, 1)
        # (n, h, w, in), (out, kernel h, w), stride, dilation, padding, groups, activation
        shapes: list[
            tuple[tuple[int, ...], tuple[int, int, int], Pair, Pair, Padding, int, str]
        ] = [
            ((1, 1, 1, 1), (1, 1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 5, 7, 4), (3, 3, 3), one, one, ((1, 1), (1, 1)), 1, "relu"),
            ((1, 9, 5, 3), (5, 3, 2), (2, 3), one, ((0, 1), (1, 0)), 1, "relu6"),
            ((1, 4, 3, 8), (2, 1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 6, 6, 5), (7, 1, 1), (3, 2), one, NO_PADDING, 1, "none"),
            ((1, 8, 9, 4), (4, 3, 3), one, (2, 3), ((2, 2), (3, 3)), 1, "relu_n1_to_1"),
            ((1, 7, 3, 6), (4, 3, 3), (1, 2), one, ((1, 1), (1, 1)), 2, "none"),
            ((1, 2, 2, 2), (9, 5, 5), one, one, ((2, 2), (2, 2)), 1, "none"),
            ((3, 4, 3, 3), (2, 2, 2), one, one, ((3, 0), (0, 4)), 1, "none"),
            ((1, 3, 1, 2), (3, 3, 3), one, one, ((0, 2), (0, 2)), 1, "none"),
        ]
        for x, (channels, kh, kw), stride, dilation, padding, groups, activation in shapes:
            op = cls(stride, dilation, padding, activation)
            size = out_sizes(x, (kh, kw), stride, dilation, padding)
            weights = (channels, kh, kw, x[3] // groups)
            triple = (x, weights, (x[0], *size, channels))
            for dtype, per_channel in ((DType.I8, True), (DType.I8, False), (DType.F32, False)):
                yield weighted_case(op, rng, dtype, triple, 0, per_channel)
            yield unsigned_case(op, rng, triple)
            yield float_scaled_case(op, rng, triple, 0)
            for bias in (DType.I64, DType.I32):
                yield weighted_case(op, rng, DType.I16, triple, 0, True, bias)
        # Sums of more than 32 bits.
        for bias in (DType.I64, DType.I32):
            triple = ((1, 3, 3, 130), (3, 3, 3, 130), (1, 3, 3, 3))
            op = cls(one, one, ((1, 1), (1, 1)), "none")
            yield weighted_case(op, rng, DType.I16, triple, 0, True, bias)
        # Whole tiles of Winograd's, tiles cut off on either side, groups of four that are not full.
        for x, channels, padding in (
            ((1, 8, 8, 16), 5, ((1, 1), (1, 1))),
            ((1, 17, 20, 16), 2, NO_PADDING),
            ((1, 6, 15, 32), 3, ((0, 2), (1, 0))),
            ((1, 2, 32, 16), 4, ((1, 1), (1, 1))),
        ):
            op = cls(one, one, padding, "relu")
            size = out_sizes(x, (3, 3), one, one, padding)
            triple = (x, (channels, 3, 3, x[3]), (1, *size, channels))
            yield weighted_case(op, rng, DType.I8, triple, 0, True)
        # Weights of 4 and of 2 bits: one channel, odd numbers of channels, inputs and pixels, a
        # window that is the image.
        for x, (channels, taps), padding in (
            ((1, 5, 7, 5), (5, 3), ((1, 1), (1, 1))),
            ((1, 3, 3, 20), (9, 1), NO_PADDING),
            ((1, 4, 4, 12), (1, 3), NO_PADDING),
            ((1, 3, 3, 12), (6, 3), NO_PADDING),
        ):
            op = cls(one, one, padding, "relu6")
            size = out_sizes(x, (taps, taps), one, one, padding)
            triple = (x, (channels, taps, taps, x[3]), (1, *size, channels))
            for bits in (4, 2):
                yield narrow_case(weighted_case(op, rng, DType.I8, triple, 0, True), bits, rng)
        # Windows that begin within an image that is smaller than they are.
        x, padding = (1, 2, 3, 3), ((0, 4), (0, 3))
        op = cls(one, one, padding, "none")
        triple = (x, (4, 5, 5, 3), (1, *out_sizes(x, (5, 5), one, one, padding), 4))
        yield weighted_case(op, rng, DType.I8, triple, 0, True)
        # Weights that are zero for the most part; windows of which one is the image.
        for x, (channels, kernel), padding in (
            ((1, 5, 7, 4), (3, 3), ((1, 1), (1, 1))),
            ((1, 4, 3, 8), (6, 1), NO_PADDING),
            ((1, 3, 3, 6), (5, 3), NO_PADDING),
        ):
            op = cls(one, one, padding, "relu")
            size = out_sizes(x, (kernel, kernel), one, one, padding)
            triple = (x, (channels, kernel, kernel, x[3]), (1, *size, channels))
            for per_channel in (True, False):
                yield sparse_case(weighted_case(op, rng, DType.I8, triple, 0, per_channel), rng)
        # Larger layers of 4 and of 2 bits.
        op = cls((1, 2), one, ((1, 1), (0, 1)), "relu6")
        for bits in (4, 4, 2, 2):
            triple = ((1, 5, 7, 20), (9, 3, 3, 20), (1, 5, 3, 9))
            yield narrow_case(weighted_case(op, rng, DType.I8, triple, 0, False), bits, rng)


@register
class HybridConv2d(Hybrid[Conv2d]):
    """See `Hybrid`. Weights quantized as a whole take symmetric numbers, those of each channel
    asymmetric ones, whatever the file asks for."""

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from hybrid_cases(cls, Conv2d.cases(rng), rng)
