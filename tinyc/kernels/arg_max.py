"""How C computes ARG_MAX, ARG_MIN."""

from __future__ import annotations

import math

from ..ir import DType, Node
from ..ops.arg_max import ArgMax
from .base import Binding, Kernel, provide
from .move import caption

SUFFIXES = {
    DType.I8: "s8", DType.U8: "u8", DType.I16: "s16", DType.I32: "s32",
    DType.I64: "s64", DType.F32: "f32",
}  # fmt: skip


def _bind(node: Node[ArgMax]) -> Binding:
    op = node.op
    x = node.inputs[0].type
    return Binding(
        params={
            "caption": caption(node),
            "ctype": x.dtype.c,
            "out_type": node.output.type.dtype.c,
            "outer": math.prod(x.shape[: op.axis]),
            "count": x.shape[op.axis],
            "inner": math.prod(x.shape[op.axis + 1 :]),
            "function": f"tinyc_arg_{'min' if op.least else 'max'}_{SUFFIXES[x.dtype]}",
        },
        support=("tinyc_arg_best_f32.h" if x.dtype is DType.F32 else "tinyc_arg_best.h",),
    )


provide(
    ArgMax,
    Kernel("arg_max", "arg_max.c.j2", frozenset(), lambda node: None, _bind),
)
