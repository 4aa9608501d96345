"""Import RESIZE_BILINEAR."""

from __future__ import annotations

from ....ir import Node
from ....ops.resize_bilinear import ResizeBilinear
from ..rule import TfliteOp, rule
from .resize import import_resize


@rule(ResizeBilinear, "RESIZE_BILINEAR")
def resize_bilinear(src: TfliteOp) -> list[Node]:
    x, size, align_corners, half_pixel_centers = import_resize(src)
    return [src.node(ResizeBilinear(size, align_corners, half_pixel_centers), [x])]
