"""MAX_POOL_2D: the greatest of each window's pixels inside the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import DType, Node
from ..op import register
from ._conv import clamp_output, portable, windows
from ._pool import Pool, bind
from ._tir_elementwise import pool_kernel


@register
@dataclass(frozen=True)
class MaxPool2d(Pool):
    """See `Pool`."""

    tflite = ("MAX_POOL_2D",)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            # What is no number, as what lies outside, is less than any.
            least = np.finfo(np.float32).min
            best = np.fmax.reduce(windows(x, node, self.kernel, least), (3, 4), initial=least)
        else:
            least = x.dtype.type(node.inputs[0].type.dtype.limits[0])
            best = windows(x, node, self.kernel, least).max((3, 4))
        return (clamp_output(node, best),)


MaxPool2d.kernels = (
    portable("max_pool_s8", DType.I8, bind),
    portable("max_pool_s16", DType.I16, bind, "max_pool_s8.c.j2"),
    portable("max_pool_f32", DType.F32, bind),
)
MaxPool2d.tir = (pool_kernel("max_pool_s8_tvm", average=False),)
