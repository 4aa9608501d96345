"""What the poolings share: their fields, checks, sums and cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np

from ..ir import Array, DType, Node, Value
from ._binary import NUMBERS
from ._conv import NO_PADDING, check_window, expect_activation, out_sizes, random_type, windows
from ._mixins import Activated, Padding, Pair, Unsigned, Windowed
from .base import CONVERT_AGAIN, expect_arity, expect_dtype, expect_quant, expect_shape, fail


@dataclass(frozen=True)
class Pool(Unsigned, Activated, Windowed):
    """x [n, h, w, c] -> [n, oh, ow, c], int8 or int16 (the same quantization on both sides) or
    float32, as far as ``dtypes`` has them.

    kernel: (height, width). No window takes the padding into account.
    """

    kernel: Pair
    dilation: Pair = field(default=(1, 1), init=False, repr=False)

    dtypes: ClassVar[tuple[DType, ...]] = NUMBERS

    keeps_quant = True

    def window(self, node: Node[Self]) -> Pair:
        return self.kernel

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 1)
        x, y = node.inputs[0].type, node.output.type
        if len(x.shape) != 4:
            raise fail(node, "its input is not of rank 4", CONVERT_AGAIN)
        expect_dtype(node, x, self.dtypes, "input")
        expect_dtype(node, y, (x.dtype,), "output")
        if x.dtype is not DType.F32:
            expect_quant(node, x, "input")
            expect_quant(node, y, "output")
            if self.keeps_quant and (x.scale, x.zero_point) != (y.scale, y.zero_point):
                raise fail(
                    node,
                    "input and output are quantized differently",
                    "quantize the model again",
                    "E304",
                )
        expect_activation(node)
        height, width = check_window(node, self.kernel)
        # A window must see a pixel; SAME padding always leaves one.
        if any(max(pad) >= k for pad, k in zip(self.padding, self.kernel, strict=True)):
            raise fail(node, "its padding is as large as its filter", CONVERT_AGAIN)
        bits = 15 if x.dtype is DType.I16 else 23  # so that sums of the taps fit 32
        if self.kernel[0] * self.kernel[1] >= 1 << bits:
            raise fail(node, f"its filter has more than 2^{bits} taps", CONVERT_AGAIN)
        expect_shape(node, y, (x.shape[0], height, width, x.shape[3]), "output")

    def channelwise(self, node: Node[Self]) -> bool:
        return True

    def sums(self, node: Node[Self], x: Array) -> Array:
        """Sums of the pixels of each window, in order for the sake of float ones, else int32."""
        patches = windows(x, node, self.kernel, 0)
        kind = np.float32 if x.dtype == np.float32 else np.int32
        total: Array = np.zeros(node.output.type.shape, kind)
        for ky in range(self.kernel[0]):
            for kx in range(self.kernel[1]):
                total += patches[:, :, :, ky, kx]
        return total

    def pixels(self, node: Node[Self]) -> Array:
        """How many of each window, int32 [1, oh, ow, 1]."""
        inside = np.ones((1, *node.inputs[0].type.shape[1:3], 1), np.int32)
        return np.asarray(windows(inside, node, self.kernel, 0).sum((3, 4)))

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        # x, kernel, stride, padding, activation
        shapes: list[tuple[tuple[int, ...], Pair, Pair, Padding, str]] = [
            ((1, 1, 1, 1), (1, 1), (1, 1), NO_PADDING, "none"),
            ((1, 5, 7, 3), (2, 2), (2, 2), NO_PADDING, "relu"),
            ((1, 5, 6, 5), (3, 4), (2, 1), ((1, 1), (1, 2)), "relu6"),
            ((1, 8, 8, 4), (8, 8), (8, 8), NO_PADDING, "none"),
            ((2, 4, 3, 2), (2, 3), (3, 2), ((0, 1), (1, 1)), "relu_n1_to_1"),
            ((1, 3, 2, 1), (5, 5), (1, 1), ((2, 2), (2, 2)), "none"),
        ]
        for x, kernel, stride, padding, activation in shapes:
            op = cls(stride, padding, activation, kernel)
            out = (x[0], *out_sizes(x, kernel, stride, (1, 1), padding), x[3])
            for dtype in cls.dtypes:
                type_x = random_type(rng, dtype, x)
                type_y = type(type_x)(out, dtype, type_x.quant)
                yield Node(op, (Value("x", type_x, "case"),), (Value("y", type_y, "case"),), "case")
            if DType.I8 not in cls.dtypes:
                continue
            op, type_x = replace(op, unsigned=True), random_type(rng, DType.I8, x)
            type_y = replace(type_x, shape=out)
            yield Node(op, (Value("x", type_x, "case"),), (Value("y", type_y, "case"),), "case")
