"""Import MUL."""

from __future__ import annotations

from ....ir import Node
from ....ops.mul import Mul
from ..rule import TfliteOp, rule


@rule(Mul, "MUL")
def mul(src: TfliteOp) -> list[Node]:
    return [src.node(Mul(src.activation()), src.operands(2))]
