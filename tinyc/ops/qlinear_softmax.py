"""QLinearSoftmax: softmax of int8 by a table of float32 powers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Value
from ..ir.quant import clamp
from ._conv import random_type
from ._mixins import Rowwise
from ._unary import check_unary
from .base import CONVERT_AGAIN, fail, register


@register
@dataclass(frozen=True)
class QLinearSoftmax(Rowwise):
    """x of rank 1 or more, int8 -> int8 of its shape, along the last axis
    (onnxruntime/contrib_ops/cpu/quantization/qlinear_softmax.cc)."""

    def check(self, node: Node[Self]) -> None:
        check_unary(node, (DType.I8,))
        if not node.inputs[0].type.shape:
            raise fail(node, "its input is a scalar", CONVERT_AGAIN)
        with np.errstate(over="ignore"):
            if not np.isfinite(self.powers(node)[0] * self.steps(node)):
                what = f"{node.inputs[0].type.shape[-1]} classes in {self.steps(node):.0f} steps"
                raise fail(node, f"leaves float32 with {what}", "end the network with the logits")

    def powers(self, node: Node[Self]) -> Array:
        """exp of each distance 0 .. 255 to the maximum, times what makes them large, float32
        [256]."""
        x = node.inputs[0].type
        most = float(np.finfo(np.float32).max / np.float32(x.shape[-1]))
        scale = float(np.float32(x.scale))
        room = max(0.0, math.log(most) - 5.0) / scale
        distances = np.arange(256, dtype=np.float64)
        return np.asarray(np.exp((-distances + room) * scale), np.float32)

    def steps(self, node: Node[Self]) -> np.float32:
        """How many of the output's steps make 1, less a fraction."""
        return np.float32(np.floor(np.float32(1) / np.float32(node.output.type.scale)))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, out = inputs[0].astype(np.int32), node.output.type
        powers = self.powers(node)[x.max(-1, keepdims=True) - x]
        total = np.cumsum(powers, -1, dtype=np.float32)[..., -1:]
        y = np.rint(powers * self.steps(node) / total).astype(np.int64)
        return (clamp(y + out.zero_point, -128, 127, DType.I8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for shape, scale in (((1, 2), 0.1), ((1, 10), 0.15), ((2, 3, 7), 0.02), ((5,), 2.4)):
            for step in (1 / 256, 1 / 255, 0.01):
                x = Value("x", random_type(rng, DType.I8, shape, scale), "case")
                y = random_type(rng, DType.I8, shape, step)
                yield Node(cls(), (x,), (Value("y", y, "case"),), "case")
