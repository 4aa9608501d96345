"""AVERAGE_POOL_2D: the mean of each window's pixels inside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, Node
from ._conv import clamp_output
from ._pool import Pool
from .base import register


@register
@dataclass(frozen=True)
class AveragePool2d(Pool):
    """See `Pool`. Means of integers round halves away from zero
    (reference_integer_ops::AveragePool), those of uint8 upwards (reference_ops::AveragePool)."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        total, count = self.sums(node, x), self.pixels(node)
        if x.dtype == np.float32:
            return (clamp_output(node, total / count.astype(np.float32)),)
        if self.unsigned:
            return (clamp_output(node, (total + count // 2) // count),)
        # Division truncates in C; all sizes here are positive after abs().
        mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return (clamp_output(node, mean),)
