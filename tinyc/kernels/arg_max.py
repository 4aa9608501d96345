"""How C computes ARG_MAX, ARG_MIN."""

from __future__ import annotations

import math

from ..ir import DType, Node
from ..ops.arg_max import ArgMax
from .base import Binding, Kernel, provide
from .move import caption


def _bind(node: Node) -> Binding:
    op = node.op
    assert isinstance(op, ArgMax)
    x = node.inputs[0].type
    return Binding(
        params={
            "caption": caption(node),
            "ctype": x.dtype.c,
            "out_type": node.output.type.dtype.c,
            "outer": math.prod(x.shape[: op.axis]),
            "count": x.shape[op.axis],
            "inner": math.prod(x.shape[op.axis + 1 :]),
            "sign": "<" if op.least else ">",
            "real": x.dtype is DType.F32,
        }
    )


provide(
    ArgMax,
    Kernel("arg_max", "arg_max.c.j2", frozenset(), lambda node: None, _bind),
)
