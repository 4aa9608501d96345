"""Import CUMSUM."""

from __future__ import annotations

from ....ir import Node
from ....ops.cumsum import Cumsum
from ..rule import TfliteOp, rule
from .move import constant_axis


@rule(Cumsum, "CUMSUM")
def cumsum(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    axis = constant_axis(src, operand, len(x.type.shape))
    return [src.node(Cumsum(axis, bool(src.option("exclusive")), bool(src.option("reverse"))), [x])]
