"""Import RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from ....ir import Node
from ....ops.resize_nearest import ResizeNearest
from ..rule import TfliteOp, rule
from .resize import import_resize


@rule(ResizeNearest, "RESIZE_NEAREST_NEIGHBOR")
def resize_nearest(src: TfliteOp) -> list[Node]:
    x, size, align_corners, half_pixel_centers = import_resize(src)
    return [src.node(ResizeNearest(size, align_corners, half_pixel_centers), [x])]
