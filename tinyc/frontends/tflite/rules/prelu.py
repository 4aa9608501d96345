"""Import PRELU."""

from __future__ import annotations

from ....ir import Node
from ....ops.prelu import Prelu
from ..rule import TfliteOp, rule


@rule(Prelu, "PRELU")
def prelu(src: TfliteOp) -> list[Node]:
    return [src.node(Prelu(), src.operands(2))]
