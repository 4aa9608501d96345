"""What the rules of hybrid share."""

from __future__ import annotations

from ....ir import DType, Node, Value
from ....ops._hybrid import Hybrid
from ....ops._mixins import Weighted
from ..rule import TfliteOp
from .conv import with_bias


def import_layer(
    src: TfliteOp,
    op: Weighted,
    operands: list[Value],
    channels: int,
    hybrid: type[Hybrid],
) -> Node:
    """A node of (x, weights, bias): of ``op``, or of ``hybrid`` around it."""
    operands = with_bias(src, operands, channels)
    x, weights, _ = (v.type.dtype for v in operands)
    if x is DType.F32 and weights is DType.I8 and not src.unsigned:
        asymmetric = src.has_option("asymmetric") and bool(src.option("asymmetric"))
        return src.node(hybrid(op, asymmetric), operands)
    return src.node(op, operands)
