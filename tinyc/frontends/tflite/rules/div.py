"""Import DIV, FLOOR_DIV, FLOOR_MOD."""

from __future__ import annotations

from ....ir import Node
from ....ops.div import Div, FloorDiv, Floored, FloorMod
from ..rule import TfliteOp, family, rule


@rule(Div, "DIV")
def div(src: TfliteOp) -> list[Node]:
    return [src.node(Div(src.activation()), src.operands(2))]


@family({"FLOOR_DIV": FloorDiv, "FLOOR_MOD": FloorMod})
def floored(cls: type[Floored], src: TfliteOp) -> list[Node]:
    return [src.node(cls(), src.operands(2))]
