"""LceBMaxPool2d: the maximum of each window, of packed signs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, TensorType, Value
from ._conv import NO_PADDING, check_window, out_sizes, windows
from ._mixins import Padding, Pair, Windowed
from .base import CONVERT_AGAIN, expect_dtype, expect_shape, fail, register


@register
@dataclass(frozen=True)
class LceBMaxPool2d(Windowed):
    """Packed x [n, h, w, words] -> [n, oh, ow, words]: +1 unless every sign of the window is -1
    (larq_compute_engine/core/bmaxpool.h).

    kernel: (height, width). No window takes the padding into account. With a further input int32
    [words], the channels of its set bits take the minimum instead, which a negative factor behind
    the pooling asks for.
    """

    kernel: Pair
    dilation: Pair = field(default=(1, 1), init=False, repr=False)

    def window(self, node: Node[Self]) -> Pair:
        return self.kernel

    def check(self, node: Node[Self]) -> None:
        if len(node.inputs) not in (1, 2) or len(node.outputs) != 1:
            raise fail(node, f"has {len(node.inputs)} inputs, not 1 or 2", CONVERT_AGAIN)
        x, y = node.inputs[0].type, node.output.type
        expect_dtype(node, x, (DType.I32,), "input")
        expect_dtype(node, y, (DType.I32,), "output")
        if len(x.shape) != 4:
            raise fail(node, "its input is not of rank 4", CONVERT_AGAIN)
        height, width = check_window(node, self.kernel)
        if any(max(pad) >= k for pad, k in zip(self.padding, self.kernel, strict=True)):
            raise fail(node, "its padding is as large as its filter", CONVERT_AGAIN)
        expect_shape(node, y, (x.shape[0], height, width, x.shape[3]), "output")
        for mask in node.inputs[1:]:
            expect_dtype(node, mask.type, (DType.I32,), "mask")
            expect_shape(node, mask.type, x.shape[3:], "mask")
            if not mask.constant:
                raise fail(node, "its mask is computed", "make it constant", "E305")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, *rest = inputs
        mask = rest[0] if rest else np.int32(0)
        # what lies outside is -1, which no maximum is less than
        taps = windows(x ^ mask, node, self.kernel, -1)
        return (np.bitwise_and.reduce(np.bitwise_and.reduce(taps, 3), 3) ^ mask,)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        shapes: list[tuple[tuple[int, ...], Pair, Pair, Padding]] = [
            ((1, 1, 1, 1), (1, 1), (1, 1), NO_PADDING),
            ((1, 5, 7, 3), (2, 2), (2, 2), NO_PADDING),
            ((1, 5, 6, 2), (3, 4), (2, 1), ((1, 1), (1, 2))),
            ((2, 4, 3, 2), (2, 3), (3, 2), ((0, 1), (1, 1))),
            ((1, 3, 2, 1), (5, 5), (1, 1), ((2, 2), (2, 2))),
        ]
        for x, kernel, stride, padding in shapes:
            out = (x[0], *out_sizes(x, kernel, stride, (1, 1), padding), x[3])
            bits = rng.integers(-(1 << 31), (1 << 31) - 1, x[3:]).astype(np.int32)
            mask = Value("mask", TensorType(x[3:], DType.I32), "case", bits)
            for constants in ((), (mask,)):
                operands = (Value("x", TensorType(x, DType.I32), "case"), *constants)
                y = Value("y", TensorType(out, DType.I32), "case")
                yield Node(cls(stride, padding, kernel), operands, (y,), "case")
