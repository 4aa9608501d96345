"""How C computes TOPK_V2."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.top_k import TopK
from .arg_max import SUFFIXES
from .base import Binding, Kernel, provide
from .move import caption


def _bind(node: Node[TopK]) -> Binding:
    x = node.inputs[0].type
    return Binding(
        params={
            "caption": caption(node),
            "ctype": x.dtype.c,
            "function": f"tinyc_top_k_{SUFFIXES[x.dtype]}",
            "rows": x.elements // x.shape[-1],
            "count": x.shape[-1],
            "k": node.op.k,
        },
        support=("tinyc_top_k_f32.h" if x.dtype is DType.F32 else "tinyc_top_k.h",),
    )


provide(
    TopK,
    Kernel("top_k", "top_k.c.j2", frozenset(), lambda node: None, _bind),
)
