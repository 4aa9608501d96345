"""RESIZE_BILINEAR: each pixel from the four around its place in the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ._binary import NUMBERS
from ._move import case
from ._resize import check_resize
from .base import expect_dtype, register

ONE = 1 << 10
"""1 in the fixed point of the integer weights (ResizeBilinearInteger)."""
FIXED = (DType.I8, DType.I16)


@register
@dataclass(frozen=True)
class ResizeBilinear(Op):
    """Input [n, h, w, c], int8, int16, uint8 or float32; output [n, *size, c], size (height,
    width). uint8 is computed in float32 and rounded (reference_ops::ResizeBilinear)."""

    size: tuple[int, int]
    align_corners: bool
    half_pixel_centers: bool

    keeps_quant = True

    def check(self, node: Node[Self]) -> None:
        check_resize(node, self.size)
        expect_dtype(node, node.inputs[0].type, (*NUMBERS, DType.U8), "input")

    def taps(self, size: int, out: int, dtype: DType) -> tuple[Array, Array, Array, Array]:
        """For each of ``out`` places along an axis of ``size``: the lower and the upper index,
        and their weights (ComputeInterpolationValues), int32 of `ONE` or float32."""
        aligned = self.align_corners and out > 1
        spans, steps = (size - 1, out - 1) if aligned else (size, out)
        if dtype in FIXED:
            scale = (ONE * spans + steps // 2) // steps
            at: Array = np.arange(out) * scale
            if self.half_pixel_centers:
                at = at + scale // 2 - ONE // 2
            # A scale rounded up may reach past the last pixel, where TFLite leaves the image.
            at = np.minimum(at, ONE * size - 1)
            # Divisions of C, which truncate: both results are clamped to 0 anyway.
            lower, upper = at // ONE, (at + ONE - 1) // ONE
        else:
            ratio = np.float32(spans) / np.float32(steps)
            at = np.arange(out).astype(np.float32)
            if self.half_pixel_centers:
                at = (at + np.float32(0.5)) * ratio - np.float32(0.5)
            else:
                at = at * ratio
            lower, upper = np.floor(at).astype(np.int64), np.ceil(at).astype(np.int64)
        lower, upper = np.clip(lower, 0, size - 1), np.clip(upper, 0, size - 1)
        if dtype in FIXED:
            fraction = (at - ONE * lower).astype(np.int32)
            return lower, upper, np.int32(ONE) - fraction, fraction
        fraction = at - lower.astype(np.float32)
        return lower, upper, np.float32(1) - fraction, fraction

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        dtype = node.inputs[0].type.dtype
        x: Array = inputs[0].astype(np.int64 if dtype in FIXED else np.float32)
        top, bottom, w_top, w_bottom = self.taps(x.shape[1], self.size[0], dtype)
        left, right, w_left, w_right = self.taps(x.shape[2], self.size[1], dtype)
        w_top, w_bottom = (w[:, None, None] for w in (w_top, w_bottom))
        w_left, w_right = (w[:, None] for w in (w_left, w_right))
        rows0, rows1 = x[:, top], x[:, bottom]
        y = (
            rows0[:, :, left] * w_top * w_left
            + rows1[:, :, left] * w_bottom * w_left
            + rows0[:, :, right] * w_top * w_right
            + rows1[:, :, right] * w_bottom * w_right
        )
        if dtype in FIXED:
            one, half = ONE * ONE, ONE * ONE // 2  # the division truncates
            y = np.where(y > 0, (y + half) // one, -((half - y) // one)).astype(dtype.numpy)
        if dtype is DType.U8:
            y = (y + np.float32(0.5)).astype(np.uint8)
        return (y,)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in (*NUMBERS, DType.U8):
            for align, half in ((False, False), (True, False), (False, True)):
                yield case(cls((5, 3), align, half), dtype, [(1, 3, 4, 3)], (1, 5, 3, 3))
                yield case(cls((4, 9), align, half), dtype, [(2, 2, 4, 1)], (2, 4, 9, 1))
                yield case(cls((1, 1), align, half), dtype, [(1, 3, 2, 5)], (1, 1, 1, 5))
