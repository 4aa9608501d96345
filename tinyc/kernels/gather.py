"""How C computes GATHER."""

from __future__ import annotations

import math

from ..ir import Node
from ..ops.gather import Gather, GatherComputed
from .base import Binding, Constant, Kernel, provide
from .move import caption, lookup_kernel


def _bind(node: Node[GatherComputed]) -> Binding:
    op = node.op
    x, indices = node.inputs
    inner = math.prod(x.type.shape[op.axis + 1 :])
    names = ("in", "in" if indices is x else "indices")
    operands = dict(zip(names, (x, indices), strict=True))
    return Binding(
        params={
            "caption": caption(node),
            "arguments": [
                f"const {v.type.dtype.c} *{name}" for name, v in operands.items() if not v.constant
            ],
            "names": names,
            "ctype": x.type.dtype.c,
            "outer": math.prod(x.type.shape[: op.axis]),
            "count": indices.type.elements,
            "last": x.type.shape[op.axis] - 1,
            "inner": inner,
            "bytes": inner * x.type.dtype.size,
            "image": inner * x.type.shape[op.axis],
        },
        constants=tuple(
            Constant(name, v.data, f"operand, {v.type}")
            for name, v in operands.items()
            if v.data is not None
        ),
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
