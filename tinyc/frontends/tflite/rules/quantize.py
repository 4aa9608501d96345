"""Import QUANTIZE."""

from __future__ import annotations

from ....ir import Node
from ....ops.quantize import Quantize
from ..rule import TfliteOp, rule


@rule(Quantize, "QUANTIZE")
def quantize(src: TfliteOp) -> list[Node]:
    return [src.node(Quantize(), src.operands(1))]
