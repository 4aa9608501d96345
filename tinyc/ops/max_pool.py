"""MAX_POOL_2D: the greatest of each window's pixels inside the image."""

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
class MaxPool2d(Pool):
    """See `Pool`."""

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            # What is no number, as what lies outside, is less than any.
            least = float(np.finfo(np.float32).min)
            best = np.fmax.reduce(windows(x, node, self.kernel, least), (3, 4), initial=least)
        else:
            lowest = node.inputs[0].type.dtype.limits[0]
            best = windows(x, node, self.kernel, lowest).max((3, 4))
        return (clamp_output(node, best),)
