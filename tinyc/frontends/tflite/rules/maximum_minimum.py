"""Import MAXIMUM, MINIMUM."""

from __future__ import annotations

from ....ir import Node
from ....ops.maximum_minimum import Maximum, Minimum
from ..rule import TfliteOp, family


@family({"MAXIMUM": Maximum, "MINIMUM": Minimum})
def maximum(cls: type[Maximum], src: TfliteOp) -> list[Node]:
    return [src.node(cls(), src.operands(2))]
