"""QLinearAveragePool: means of int8 numbers that are added as float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import clamp
from ._conv import random_type
from ._pool import Pool
from .base import register


@register
@dataclass(frozen=True)
class QLinearAveragePool2d(Pool):
    """As `Pool`, of int8, from any quantization to any other (QLinearPool2DTask of
    onnxruntime/contrib_ops/cpu/quantization/qlinear_pool.cc)."""

    dtypes = (DType.I8,)
    keeps_quant = False

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, out = node.inputs[0].type, node.output.type
        real = (inputs[0].astype(np.float32) - np.float32(x.zero_point)) * np.float32(x.scale)
        mean = self.sums(node, real) / self.pixels(node).astype(np.float32)
        y = mean / np.float32(out.scale) + np.float32(out.zero_point + self.offset)
        whole = np.rint(np.clip(y, -(2.0**20), 2.0**20)).astype(np.int64)
        return (clamp(whole - self.offset, -128, 127, DType.I8),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for node in super().cases(rng):
            (x,), y = node.inputs, node.output
            for scale in (x.type.scale, 0.02):
                kind = random_type(rng, DType.I8, y.type.shape, scale)
                op = replace(node.op, activation="none")
                yield Node(op, (replace(x),), (replace(y, type=kind),), "case")
