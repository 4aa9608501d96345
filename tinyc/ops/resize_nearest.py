"""RESIZE_NEAREST_NEIGHBOR: each pixel a copy of the nearest one of the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ..ir import Array, Node
from ._move import Lookup, case, every_dtype
from ._resize import check_resize
from .base import register


@register
@dataclass(frozen=True)
class ResizeNearest(Lookup):
    """Input [n, h, w, c] of any dtype; output [n, *size, c], size (height, width) in pixels."""

    size: tuple[int, int]
    align_corners: bool
    half_pixel_centers: bool

    def check(self, node: Node[Self]) -> None:
        check_resize(node, self.size)

    def shortened(self, axis: int, count: int) -> ResizeNearest:
        height, width = (count if axis == 1 + i else size for i, size in enumerate(self.size))
        return replace(self, size=(height, width))

    def _nearest(self, size: int, out: int) -> Array:
        """The input's index for each of ``out`` (GetNearestNeighbor), in float32."""
        aligned = self.align_corners and out > 1
        scale = np.float32(size - 1 if aligned else size) / np.float32(out - 1 if aligned else out)
        offset = np.float32(0.5 if self.half_pixel_centers else 0)
        at = (np.arange(out).astype(np.float32) + offset) * scale
        # No coordinate is negative, so that floor(x + 1/2) rounds halves away from zero.
        index = np.floor(at.astype(np.float64) + (0.5 if self.align_corners else 0))
        return np.asarray(np.minimum(index.astype(np.int64), size - 1))

    def tables(self, node: Node[Self]) -> list[Array]:
        n, h, w, c = node.inputs[0].type.shape
        rows, columns = self._nearest(h, self.size[0]), self._nearest(w, self.size[1])
        return [np.arange(n), rows, columns, np.arange(c)]

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        for dtype in every_dtype():
            for align, half in ((False, False), (True, False), (False, True)):
                op = cls((5, 3), align, half)
                yield case(op, dtype, [(1, 3, 4, 3)], (1, 5, 3, 3))
                yield case(cls((4, 8), align, half), dtype, [(2, 2, 4, 1)], (2, 4, 8, 1))
