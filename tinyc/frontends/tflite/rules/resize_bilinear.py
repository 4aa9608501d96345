"""Import RESIZE_BILINEAR."""

from __future__ import annotations

from ....ir import Node
from ....ops.resize_bilinear import ResizeBilinear
from ..rule import TfliteOp, rule
from .resize import import_resize


@rule(ResizeBilinear, "RESIZE_BILINEAR")
def resize_bilinear(src: TfliteOp) -> list[Node]:
    x, *fields = import_resize(src)
    return [src.node(ResizeBilinear(*fields), [x])]
