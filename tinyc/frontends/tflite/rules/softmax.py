"""Import SOFTMAX."""

from __future__ import annotations

from ....ir import Node
from ....ops.softmax import Softmax
from ..rule import TfliteOp, rule


@rule(Softmax, "SOFTMAX")
def softmax(src: TfliteOp) -> list[Node]:
    return [src.node(Softmax(src.float_option("beta")), src.operands(1))]
