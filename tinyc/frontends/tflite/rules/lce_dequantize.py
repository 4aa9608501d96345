"""Import CUSTOM LceDequantize."""

from __future__ import annotations

from ....ir import Node
from ....ops.lce_dequantize import LceDequantize
from ..rule import TfliteOp, rule


@rule(LceDequantize, "CUSTOM LceDequantize")
def lce_dequantize(src: TfliteOp) -> list[Node]:
    return [src.node(LceDequantize(), src.operands(1))]
