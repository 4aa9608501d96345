"""A depthwise convolution of signs, which LCE leaves to float (see passes/binarize.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, TensorType, Value
from ._bits import expect_packed, pack, random_words, signs, unpack, words
from ._conv import NO_PADDING, check_window, out_sizes, windows
from ._mixins import Padding, Pair
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_shape, fail, register
from .lce_bconv2d import LceBconv2d, check_constants, random_ending


@register
@dataclass(frozen=True)
class BinaryDepthwiseConv2d(LceBconv2d):
    """Inputs: packed x [n, h, w, words], packed weights [1, kh, kw, words], and what follows
    the sums, as in `LceBconv2d`; output [n, oh, ow, channels] of float32 or int8, or packed."""

    def check(self, node: Node[Self]) -> None:
        packed = node.output.type.dtype is DType.I32
        expect_arity(node, 3 if packed else 4)
        x, weights = (v.type for v in node.inputs[:2])
        if len(x.shape) != 4 or len(weights.shape) != 4:
            raise fail(node, "input or weights are not of rank 4", CONVERT_AGAIN)
        kernel = (weights.shape[1], weights.shape[2])
        expect_packed(node, x, (*x.shape[:3], self.channels), "input")
        expect_packed(node, weights, (1, *kernel, self.channels), "weights")
        height, width = check_window(node, kernel)
        out = (x.shape[0], height, width, self.channels)
        expect_dtype(node, node.output.type, (DType.F32, DType.I8, DType.I32), "output")
        if packed:
            expect_packed(node, node.output.type, out, "output")
        else:
            expect_shape(node, node.output.type, out, "output")
        check_constants(node, self.channels)

    def twice(self, node: Node[Self], x: Array) -> Array:
        weights = node.inputs[1].array
        taps = signs(weights, self.channels)[0]
        patches = windows(signs(x, self.channels), node, taps.shape[:2], self.pad_value)
        total: Array = (patches * taps).sum((3, 4))
        return self.depth(node) - total.astype(np.int32)

    def inverted(self, node: Node[Self], outs: Array) -> Array:
        weights = node.inputs[1].array
        return pack(unpack(weights, self.channels) ^ outs)

    def depth(self, node: Node[Self]) -> int:
        _, kh, kw, _ = node.inputs[1].type.shape
        return kh * kw

    def macs(self, node: Node[Self]) -> int:
        n, oh, ow, _ = node.output.type.shape
        return n * oh * ow * self.channels * self.depth(node)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        one = (1, 1)
        # x (n, h, w, channels), kernel, stride, dilation, padding
        shapes: list[tuple[tuple[int, ...], Pair, Pair, Pair, Padding]] = [
            ((1, 1, 1, 1), one, one, one, NO_PADDING),
            ((1, 5, 7, 40), (3, 3), one, one, ((1, 1), (1, 1))),
            ((1, 9, 5, 64), (3, 2), (2, 3), one, ((0, 1), (1, 0))),
            ((1, 8, 9, 32), (3, 3), one, (2, 3), ((2, 2), (3, 3))),
            ((2, 6, 6, 33), (5, 5), one, one, ((2, 2), (2, 2))),
        ]
        for x, kernel, stride, dilation, padding in shapes:
            for pad_value in (1, 0) if padding != NO_PADDING else (1,):
                for kind in ("f32", "i8", "packed"):
                    op = cls(stride, dilation, padding, pad_value, x[3])
                    bits = random_words(rng, (1, *kernel, x[3]))
                    inputs = (
                        Value("x", TensorType((*x[:3], words(x[3])), DType.I32), "case"),
                        Value("weights", TensorType(bits.shape, DType.I32), "case", bits),
                    )
                    size = out_sizes(x, kernel, stride, dilation, padding)
                    depth = kernel[0] * kernel[1]
                    more, y = random_ending(rng, (x[0], *size, x[3]), depth, kind)
                    yield Node(op, (*inputs, *more), (Value("y", y, "case"),), "case")
