"""Import CAST."""

from __future__ import annotations

from ....ir import Node
from ....ops.cast import Cast
from ..rule import TfliteOp, rule


@rule(Cast, "CAST")
def cast(src: TfliteOp) -> list[Node]:
    return [src.node(Cast(), src.operands(1))]
