"""How C moves a window on."""

from __future__ import annotations

import math

from ..ir import Node
from ..ops.slide import Slide
from .base import Binding, Kernel, provide
from .move import caption


def _bind(node: Node[Slide]) -> Binding:
    new, window = (v.type for v in node.inputs)
    axis = node.op.axis
    piece = math.prod(window.shape[axis + 1 :]) * window.dtype.size
    return Binding(
        params={
            "caption": caption(node),
            "ctype": window.dtype.c,
            "pieces": math.prod(window.shape[:axis]),
            "elements": math.prod(window.shape[axis:]),
            "new_elements": math.prod(new.shape[axis:]),
            "bytes": window.shape[axis] * piece,
            "new_bytes": new.shape[axis] * piece,
        },
        support=("tinyc_move_rows.h",),
        inplace=1,
    )


provide(Slide, Kernel("slide", "slide.c.j2", frozenset(), lambda node: None, _bind))
