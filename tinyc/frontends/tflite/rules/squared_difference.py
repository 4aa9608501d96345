"""Import SQUARED_DIFFERENCE."""

from __future__ import annotations

from ....ir import Node
from ....ops.squared_difference import SquaredDifference
from ..rule import TfliteOp, rule


@rule(SquaredDifference, "SQUARED_DIFFERENCE")
def squared_difference(src: TfliteOp) -> list[Node]:
    return [src.node(SquaredDifference(), src.operands(2))]
