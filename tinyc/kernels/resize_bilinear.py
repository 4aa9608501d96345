"""How C computes RESIZE_BILINEAR."""

from __future__ import annotations

import numpy as np

from ..ir import DType, Node
from ..ops.resize_bilinear import FIXED, ResizeBilinear
from .base import Binding, Constant, Kernel, provide
from .move import caption

SUFFIXES = {DType.I8: "s8", DType.I16: "s16", DType.U8: "u8", DType.F32: "f32"}


def _bind(node: Node[ResizeBilinear]) -> Binding:
    op = node.op
    x = node.inputs[0].type
    n, h, w, c = x.shape
    weight = np.int16 if x.dtype in FIXED else np.float32
    constants = []
    for name, size, out, stride in (("row", h, op.size[0], w * c), ("column", w, op.size[1], c)):
        lower, upper, w_lower, w_upper = op.taps(size, out, x.dtype)
        places = (np.stack([lower, upper], 1) * stride).astype(np.int32)
        weights = np.stack([w_lower, w_upper], 1).astype(weight)
        constants.append(Constant(f"{name}s", places, f"offsets of the two {name}s"))
        constants.append(Constant(f"{name}_weights", weights, "and their weights"))
    return Binding(
        params={
            "caption": caption(node),
            "ctype": x.dtype.c,
            "weights": "tinyc_weights" if x.dtype in FIXED else "tinyc_weights_f32",
            "function": f"tinyc_bilinear_{SUFFIXES[x.dtype]}",
            "batches": n,
            "image": h * w * c,
            "height": op.size[0],
            "width": op.size[1],
            "depth": c,
        },
        constants=tuple(constants),
        support=("tinyc_bilinear.h" if x.dtype in FIXED else "tinyc_bilinear_f32.h",),
    )


provide(
    ResizeBilinear,
    Kernel("resize_bilinear", "resize_bilinear.c.j2", frozenset(), lambda node: None, _bind),
)
