"""Import ARG_MAX, ARG_MIN."""

from __future__ import annotations

from ....ir import Node
from ....ops.arg_max import ArgMax
from ..rule import TfliteOp, rule
from .move import constant_axis


@rule(ArgMax, "ARG_MAX", "ARG_MIN")
def arg_max(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    axis = constant_axis(src, operand, len(x.type.shape))
    return [src.node(ArgMax(axis, src.name == "ARG_MIN"), [x])]
