"""How C computes GATHER."""

from __future__ import annotations

import math

from ..ir import Node
from ..ops.gather import Gather, GatherComputed
from .base import Binding, Kernel, provide
from .move import bind_operands, caption, lookup_kernel


def _bind(node: Node[GatherComputed]) -> Binding:
    op = node.op
    x, indices = node.inputs
    inner = math.prod(x.type.shape[op.axis + 1 :])
    operands, constants = bind_operands(node, "in", "indices")
    return Binding(
        params={
            **operands,
            "caption": caption(node),
            "ctype": x.type.dtype.c,
            "outer": math.prod(x.type.shape[: op.axis]),
            "count": indices.type.elements,
            "last": x.type.shape[op.axis] - 1,
            "inner": inner,
            "bytes": inner * x.type.dtype.size,
            "image": inner * x.type.shape[op.axis],
        },
        constants=constants,
        support=("tinyc_nearest.h",),
    )


provide(
    GatherComputed,
    Kernel("gather_computed", "gather_computed.c.j2", frozenset(), lambda node: None, _bind),
)
provide(
    Gather,
    lookup_kernel("gather"),
)
