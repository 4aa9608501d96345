"""Import CUSTOM LceQuantize."""

from __future__ import annotations

from ....ir import Node
from ....ops.lce_quantize import LceQuantize
from ..rule import TfliteOp, rule


@rule(LceQuantize, "CUSTOM LceQuantize")
def lce_quantize(src: TfliteOp) -> list[Node]:
    return [src.node(LceQuantize(), src.operands(1))]
