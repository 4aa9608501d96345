"""Import TRANSPOSE."""

from __future__ import annotations

from ....ir import Node
from ....ops.transpose import Transpose
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(Transpose, "TRANSPOSE")
def transpose(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    rank = len(x.type.shape)
    axes = tuple(wrap_axis(src, a, rank) for a in src.constant_ints(operand))
    return [src.node(Transpose(axes), [x])]
