"""Import DEQUANTIZE."""

from __future__ import annotations

from ....ir import DType, Node
from ....ops.cast import Cast
from ....ops.dequantize import Dequantize
from ..rule import TfliteOp, rule


@rule(Dequantize, "DEQUANTIZE")
def dequantize(src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1)
    # Float16 weights, which the reader has made float32.
    stored = x.constant and x.type.dtype is DType.F32
    return [src.node(Cast() if stored else Dequantize(), [x])]
