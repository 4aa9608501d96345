"""Import TANH."""

from __future__ import annotations

from ....ir import Node
from ....ops.tanh import Tanh
from ..rule import TfliteOp, rule


@rule(Tanh, "TANH")
def tanh(src: TfliteOp) -> list[Node]:
    return [src.node(Tanh(), src.operands(1))]
