"""AVERAGE_POOL_2D: the mean of each window's pixels inside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node
from ._conv import clamp_output, windows
from ._pool import Pool
from .base import register


@register
@dataclass(frozen=True)
class AveragePool2d(Pool):
    """See `Pool`. Means of integers round halves away from zero
    (reference_integer_ops::AveragePool), those of uint8 upwards (reference_ops::AveragePool)."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        patches = windows(x, node, self.kernel, 0)
        real = x.dtype == np.float32
        total: Array = np.zeros(node.output.type.shape, np.float32 if real else np.int32)
        for ky in range(self.kernel[0]):  # in order, for the sake of float sums
            for kx in range(self.kernel[1]):
                total += patches[:, :, :, ky, kx]
        count = windows(np.ones((1, *x.shape[1:3], 1), np.int32), node, self.kernel, 0)
        count = count.sum((3, 4))
        if real:
            return (clamp_output(node, total / count.astype(np.float32)),)
        if self.unsigned:
            return (clamp_output(node, (total + count // 2) // count),)
        # Division truncates in C; all sizes here are positive after abs().
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (clamp_output(node, mean),)
