"""DEPTHWISE_CONV_2D: output channel c * multiplier + j filters input channel c alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..ir import Array, DType, Node
from ._conv import (
    NO_PADDING,
    centred_weights,
    check_operands,
    check_window,
    finish,
    float_scaled_case,
    out_sizes,
    unsigned_case,
    weighted_case,
    windows,
)
from ._hybrid import Hybrid, hybrid_cases
from ._int16 import check_sums
from ._mixins import Padding, Pair, Weighted, Windowed
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail, register


@register
@dataclass(frozen=True)
class DepthwiseConv2d(Weighted, Windowed):
    """Inputs: x [n, h, w, c], weights [1, kh, kw, c * multiplier], bias [c * multiplier];
    output [n, oh, ow, c * multiplier].

    int8 (bias int32, weights per tensor or per channel along 3), int16 (bias int64, weights as
    before) or float32.
    """

    multiplier: int = 1

    weight_axis = 3

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        x, weights, _ = (v.type for v in node.inputs)
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        one, kh, kw, channels = weights.shape
        if one != 1 or channels != x.shape[3] * self.multiplier:
            raise fail(
                node,
                f"weights {list(weights.shape)} do not fit {x.shape[3]} input channels",
                CONVERT_AGAIN,
            )
        check_operands(node, channels, 3, kh * kw, (DType.I64,))
        check_sums(node, flat(node))
        height, width = check_window(node, (kh, kw))
        expect_shape(node, node.output.type, (x.shape[0], height, width, channels), "output")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, zero = inputs[0], node.inputs[0].type.zero_point
        return (finish(node, self.sums(node, x, centred_weights(node, inputs[1]), zero)),)

    def sums(self, node: Node[Self], x: Array, weights: Array, zero: int) -> Array:
        """Sums [n, oh, ow, c * multiplier] of x minus ``zero`` times the weights."""
        _, kh, kw, channels = weights.shape
        wide: type[np.number[Any]] = np.float32 if x.dtype == np.float32 else np.int64
        acc: Array = np.zeros((*node.output.type.shape[:3], x.shape[3], self.multiplier), wide)
        patches = windows(x, node, (kh, kw), zero)
        taps = weights.reshape(kh, kw, x.shape[3], self.multiplier)
        for ky in range(kh):  # one tap at a time keeps the order of float sums
            for kx in range(kw):
                tap: Array = patches[:, :, :, ky, kx, :, None].astype(wide) - wide(zero)
                acc += tap * taps[ky, kx]
        return acc.reshape(*acc.shape[:3], channels)

    def channelwise(self, node: Node[Self]) -> bool:
        return self.multiplier == 1

    def macs(self, node: Node[Self]) -> int:
        _, kh, kw, _ = node.inputs[1].type.shape
        return node.output.type.elements * kh * kw

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        one = (1, 1)
        # x, (kernel h, w), stride, dilation, padding, multiplier, activation
        shapes: list[tuple[tuple[int, ...], Pair, Pair, Pair, Padding, int, str]] = [
            ((1, 1, 1, 1), (1, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 5, 7, 4), (3, 3), one, one, ((1, 1), (1, 1)), 1, "relu"),
            ((1, 9, 5, 8), (3, 2), (2, 3), one, ((0, 1), (1, 0)), 1, "relu6"),
            ((1, 6, 1, 12), (5, 1), one, one, NO_PADDING, 1, "none"),
            ((1, 9, 8, 4), (3, 3), one, (2, 3), ((2, 2), (3, 3)), 1, "none"),
            ((1, 7, 3, 5), (3, 3), (1, 2), one, ((1, 1), (1, 1)), 1, "none"),
            ((1, 4, 5, 11), (3, 3), one, one, ((1, 1), (1, 1)), 1, "relu"),
            ((1, 4, 5, 3), (2, 2), one, one, NO_PADDING, 1, "none"),
            ((1, 4, 4, 3), (2, 3), one, one, ((0, 1), (1, 1)), 3, "relu_n1_to_1"),
            ((1, 6, 5, 1), (4, 4), (2, 2), one, ((1, 2), (1, 1)), 8, "none"),
            ((1, 7, 8, 4), (6, 6), one, one, ((2, 3), (2, 3)), 1, "none"),
            ((2, 3, 3, 4), (3, 3), one, one, ((1, 1), (1, 1)), 1, "none"),
            ((1, 8, 11, 6), (3, 3), one, one, ((1, 1), (1, 1)), 1, "relu6"),
            ((1, 13, 2, 8), (3, 3), one, one, ((1, 1), (1, 1)), 1, "none"),
            ((1, 9, 10, 7), (3, 3), (2, 2), one, ((1, 1), (0, 1)), 1, "relu"),
            ((1, 17, 6, 4), (3, 3), (2, 2), one, NO_PADDING, 1, "relu_n1_to_1"),
            ((1, 4, 6, 7), (3, 3), one, one, ((1, 1), (1, 1)), 1, "none"),
            ((1, 5, 17, 5), (3, 3), (2, 2), one, ((1, 1), (1, 1)), 1, "relu6"),
            ((2, 3, 21, 2), (3, 3), (1, 2), one, ((0, 1), (0, 1)), 1, "none"),
            ((1, 3, 3, 2), (3, 3), one, one, ((2, 2), (2, 2)), 1, "none"),
            ((1, 1, 2, 4), (3, 3), one, one, ((0, 2), (1, 2)), 1, "none"),
        ]
        for x, kernel, stride, dilation, padding, multiplier, activation in shapes:
            op = cls(stride, dilation, padding, activation, multiplier)
            size = out_sizes(x, kernel, stride, dilation, padding)
            channels = x[3] * multiplier
            for dtype, per_channel in (
                (DType.I8, True), (DType.I8, False), (DType.I16, True), (DType.F32, False)
            ):  # fmt: skip
                triple = (x, (1, *kernel, channels), (x[0], *size, channels))
                yield weighted_case(op, rng, dtype, triple, 3, per_channel)
            yield unsigned_case(op, rng, triple)
            yield float_scaled_case(op, rng, triple, 3)
        # Sums of more than 32 bits.
        triple = ((1, 40, 40, 2), (1, 40, 40, 2), (1, 1, 1, 2))
        yield weighted_case(cls(one, one, NO_PADDING, "none"), rng, DType.I16, triple, 3)


def depthwise_conv2d_rows(node: Node) -> Array:
    """The weights as [channels, kh, kw]: a kernel walks the taps of one channel at a time."""
    weights = node.inputs[1].array
    return np.asarray(weights[0].transpose(2, 0, 1))


def flat(node: Node) -> Array:
    """The weights as [channels, depth]."""
    rows = depthwise_conv2d_rows(node)
    return rows.reshape(len(rows), -1)


@register
class HybridDepthwiseConv2d(Hybrid[DepthwiseConv2d]):
    """See `Hybrid`: always of asymmetric numbers."""

    always_asymmetric = True

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from hybrid_cases(cls, DepthwiseConv2d.cases(rng), rng)
