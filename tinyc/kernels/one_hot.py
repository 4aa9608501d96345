"""How C computes ONE_HOT."""

from __future__ import annotations

import math

from ..ir import Node
from ..ops.one_hot import OneHot
from .base import Binding, Constant, Kernel, provide
from .move import caption


def _bind(node: Node[OneHot]) -> Binding:
    op = node.op
    x, out = node.inputs[0].type, node.output.type
    return Binding(
        params={
            "caption": caption(node),
            "index": x.dtype.c,
            "ctype": out.dtype.c,
            "function": f"tinyc_one_hot_s{8 * x.dtype.size}",
            "outer": math.prod(x.shape[: op.axis]),
            "depth": op.depth,
            "inner": math.prod(x.shape[op.axis :]),
            "bytes": out.dtype.size,
        },
        constants=(Constant("elements", op.values(node), "elsewhere, and where the index is"),),
        support=("tinyc_one_hot.h",),
    )


provide(
    OneHot,
    Kernel("one_hot", "one_hot.c.j2", frozenset(), lambda node: None, _bind),
)
