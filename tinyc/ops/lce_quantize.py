"""LceQuantize: the signs of numbers, packed; and its form with a threshold for each channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, TensorType, Value
from ._bits import expect_packed, pack, unpack, words
from ._conv import random_type
from ._mixins import Rowwise
from .base import CONVERT_AGAIN, expect_dtype, expect_quant, expect_shape, fail, register


@register
@dataclass(frozen=True)
class LceQuantize(Rowwise):
    """Input x [..., channels] of float32, int8 or bool; output its signs, packed.

    A bit is set where the number is negative: below 0, below the zero point, false
    (larq_compute_engine/tflite/kernels/quantization.cc). With the further inputs thresholds
    int32 [channels] and flips int32 [words], which stand for a monotone function that was
    folded into the sign, x is int8 and a bit is ``(x < threshold) ^ flip``.
    """

    def check(self, node: Node[Self]) -> None:
        if len(node.inputs) not in (1, 3) or len(node.outputs) != 1:
            raise fail(node, f"has {len(node.inputs)} inputs, not 1 or 3", CONVERT_AGAIN)
        x = node.inputs[0].type
        allowed = (DType.F32, DType.I8, DType.BOOL) if len(node.inputs) == 1 else (DType.I8,)
        expect_dtype(node, x, allowed, "input")
        if not x.shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)
        if x.dtype is DType.I8:
            expect_quant(node, x, "input")
        expect_packed(node, node.output.type, x.shape, "output")
        for value, shape in zip(
            node.inputs[1:], (x.shape[-1:], (words(x.shape[-1]),)), strict=False
        ):
            expect_dtype(node, value.type, (DType.I32,), value.name)
            expect_shape(node, value.type, shape, value.name)
            if not value.constant:
                raise fail(node, "its thresholds are computed", "make them constant", "E305")

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, *rest = inputs
        if x.dtype == np.bool_:
            return (pack(~x),)
        if not rest:
            return (pack(x < x.dtype.type(node.inputs[0].type.zero_point)),)
        thresholds, flips = rest
        return (pack((x < thresholds) ^ unpack(flips, x.shape[-1])),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for shape in ((1, 1), (1, 3, 2, 32), (2, 5, 33), (1, 1, 2, 100)):
            y = TensorType((*shape[:-1], words(shape[-1])), DType.I32)
            for dtype in (DType.F32, DType.I8, DType.BOOL):
                x = Value("x", random_type(rng, dtype, shape), "case")
                yield Node(cls(), (x,), (Value("y", y, "case"),), "case")
            x = Value("x", random_type(rng, DType.I8, shape), "case")
            thresholds = rng.integers(-128, 128, shape[-1:], endpoint=True).astype(np.int32)
            flips = pack(rng.random(shape[-1:]) < 0.5)
            constants = (
                Value(n, TensorType(a.shape, DType.I32), "case", a)
                for n, a in (("thresholds", thresholds), ("flips", flips))
            )
            yield Node(cls(), (x, *constants), (Value("y", y, "case"),), "case")
