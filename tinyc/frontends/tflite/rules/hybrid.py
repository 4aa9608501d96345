"""What the rules of hybrid share."""

from __future__ import annotations

from typing import Any

from ....ir import DType, Node, Op, Value
from ....ops._hybrid import Hybrid
from ..rule import TfliteOp
from .conv import with_bias


def import_layer(
    src: TfliteOp, op: Op, operands: list[Value], channels: int, hybrid: type[Hybrid[Any]]
) -> Node:
    """A node of (x, weights, bias): of ``op``, or of ``hybrid`` around it."""
    operands = with_bias(src, operands, channels)
    x, weights, _ = (v.type.dtype for v in operands)
    if x is DType.F32 and weights is DType.I8 and not src.unsigned:
        op = hybrid(op, src.has_option("asymmetric") and bool(src.option("asymmetric")))
    return src.node(op, operands)
