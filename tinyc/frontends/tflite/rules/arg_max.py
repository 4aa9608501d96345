"""Import ARG_MAX, ARG_MIN."""

from __future__ import annotations

from ....ir import Node
from ....ops.arg_max import ArgMax
from ....ops.base import CONVERT_AGAIN
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(ArgMax, "ARG_MAX", "ARG_MIN")
def arg_max(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    axes = src.constant_ints(operand)
    if len(axes) != 1:
        raise src.fail("its axis is no single number", CONVERT_AGAIN, "E301")
    axis = wrap_axis(src, axes[0], len(x.type.shape))
    return [src.node(ArgMax(axis, src.name == "ARG_MIN"), [x])]
