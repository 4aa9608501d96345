"""How C computes CUSTOM LceQuantize."""

from __future__ import annotations

import numpy as np

from ..ir import Node
from ..ops.lce_quantize import LceQuantize
from .base import Binding, Constant, Kernel, provide


def _bind(node: Node) -> Binding:
    x = node.inputs[0].type
    constants: tuple[Constant, ...] = ()
    if len(node.inputs) == 3:
        thresholds, flips = (v.array for v in node.inputs[1:])
        constants = (
            Constant("thresholds", thresholds.astype(np.int16), "threshold of each channel"),
            Constant("flips", flips.view(np.uint32), "bits that are inverted"),
        )
    return Binding(
        params={
            "ctype": x.dtype.c,
            "kind": x.dtype.value,
            "thresholds": bool(constants),
            "rows": x.elements // x.shape[-1],
            "channels": x.shape[-1],
            "zero_point": x.zero_point,
        },
        constants=constants,
        support=("tinyc_bits.h",),
    )


provide(
    LceQuantize,
    Kernel("lce_quantize", "lce_quantize.c.j2", frozenset(), lambda node: None, _bind),
)
