"""L2_POOL_2D: the root of the mean square of each window's pixels inside the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node
from ._conv import clamp_output
from ._pool import Pool
from .base import register


@register
@dataclass(frozen=True)
class L2Pool2d(Pool):
    """See `Pool`; float32 alone, as in TFLite."""

    dtypes = (DType.F32,)
    keeps_quant = False

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        with np.errstate(all="ignore"):
            mean = self.sums(node, x * x) / self.pixels(node).astype(np.float32)
            return (clamp_output(node, np.sqrt(mean)),)
