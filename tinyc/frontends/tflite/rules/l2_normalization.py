"""Import L2_NORMALIZATION."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.l2_normalization import L2Normalization
from ..rule import TfliteOp, rule


@rule(L2Normalization, "L2_NORMALIZATION")
def l2_normalization(src: TfliteOp) -> list[Node]:
    if src.activation() != "none":
        raise src.fail(f"has the fused activation {src.activation()}", CONVERT_AGAIN)
    return [src.node(L2Normalization(), src.operands(1))]
