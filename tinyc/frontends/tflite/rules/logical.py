"""Import LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT."""

from __future__ import annotations

from ....ir import Node
from ....ops.logical import LogicalAnd, LogicalNot, LogicalOr
from ..rule import TfliteOp, family, rule


@family({"LOGICAL_AND": LogicalAnd, "LOGICAL_OR": LogicalOr})
def logical_and(cls: type[LogicalAnd], src: TfliteOp) -> list[Node]:
    return [src.node(cls(), src.operands(2))]


@rule(LogicalNot, "LOGICAL_NOT")
def logical_not(src: TfliteOp) -> list[Node]:
    return [src.node(LogicalNot(), src.operands(1))]
