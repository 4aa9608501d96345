"""How C computes CUMSUM."""

from __future__ import annotations

import math

from ..ir import DType, Node
from ..ops.cumsum import Cumsum
from .base import Binding, Kernel, provide
from .move import caption


def _bind(node: Node[Cumsum]) -> Binding:
    op = node.op
    x = node.inputs[0].type
    real = x.dtype is DType.F32
    where = ", each without its own" if op.exclusive else ""
    where += ", from the end" if op.reverse else ""
    return Binding(
        params={
            "caption": caption(node) + where,
            "ctype": x.dtype.c,
            "function": f"tinyc_cumsum_{'f32' if real else f's{8 * x.dtype.size}'}",
            "outer": math.prod(x.shape[: op.axis]),
            "count": x.shape[op.axis],
            "inner": math.prod(x.shape[op.axis + 1 :]),
            "exclusive": int(op.exclusive),
            "reverse": int(op.reverse),
        },
        support=("tinyc_cumsum_f32.h" if real else "tinyc_cumsum.h",),
        inplace=0,
    )


provide(
    Cumsum,
    Kernel("cumsum", "cumsum.c.j2", frozenset(), lambda node: None, _bind),
)
