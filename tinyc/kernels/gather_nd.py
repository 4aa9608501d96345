"""How C computes GATHER_ND."""

from __future__ import annotations

import math

from ..ir import Node
from ..ops.gather_nd import GatherNd
from .base import Binding, Kernel, provide
from .move import bind_operands, caption


def _bind(node: Node[GatherNd]) -> Binding:
    x, indices = (v.type for v in node.inputs)
    depth = indices.shape[-1]
    operands, constants = bind_operands(node, "in", "indices")
    return Binding(
        params={
            **operands,
            "caption": caption(node),
            "ctype": x.dtype.c,
            "function": f"tinyc_gather_nd_s{8 * indices.dtype.size}",
            "count": indices.elements // depth,
            "depth": depth,
            "extents": list(x.shape[:depth]),
            "bytes": math.prod(x.shape[depth:]) * x.dtype.size,
        },
        constants=constants,
        support=("tinyc_gather_nd.h",),
    )


provide(
    GatherNd,
    Kernel("gather_nd", "gather_nd.c.j2", frozenset(), lambda node: None, _bind),
)
