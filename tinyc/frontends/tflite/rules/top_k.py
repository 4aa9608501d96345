"""Import TOPK_V2."""

from __future__ import annotations

from ....ir import Node
from ....ops.top_k import TopK
from ..rule import TfliteOp, rule
from .move import constant_number


@rule(TopK, "TOPK_V2")
def top_k(src: TfliteOp) -> list[Node]:
    x, count = src.operands(2, outputs=2)
    return [src.node(TopK(constant_number(src, count, "count")), [x])]
