"""Import HARD_SWISH."""

from __future__ import annotations

from ....ir import Node
from ....ops.hard_swish import HardSwish
from ..rule import TfliteOp, rule


@rule(HardSwish, "HARD_SWISH")
def hard_swish(src: TfliteOp) -> list[Node]:
    return [src.node(HardSwish(), src.operands(1))]
