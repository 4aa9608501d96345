"""Import DYNAMIC_UPDATE_SLICE."""

from __future__ import annotations

from ....ir import Node
from ....ops.dynamic_update_slice import DynamicUpdateSlice
from ..rule import TfliteOp, rule


@rule(DynamicUpdateSlice, "DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(src: TfliteOp) -> list[Node]:
    return [src.node(DynamicUpdateSlice(), src.operands(3))]
