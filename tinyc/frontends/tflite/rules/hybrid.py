"""What the rules of hybrid share."""

from __future__ import annotations

from ....ir import DType, Node, Value
from ....ops._hybrid import Hybrid
from ....ops._mixins import Weighted
from ..rule import TfliteOp
from .conv import with_bias


def is_hybrid(x: Value, weights: Value) -> bool:
    """Whether an operator computes with int8 weights beside float32 activations."""
    return x.type.dtype is DType.F32 and weights.type.dtype is DType.I8


def import_layer(
    src: TfliteOp,
    op: Weighted,
    operands: list[Value],
    channels: int,
    hybrid: type[Hybrid],
) -> Node:
    """A node of (x, weights, bias): of ``op``, or of ``hybrid`` around it."""
    operands = with_bias(src, operands, channels)
    if is_hybrid(*operands[:2]) and not src.unsigned:
        asymmetric = src.has_option("asymmetric") and bool(src.option("asymmetric"))
        return src.node(hybrid(op, asymmetric), operands)
    return src.node(op, operands)
