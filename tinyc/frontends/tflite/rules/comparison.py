"""Import EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL."""

from __future__ import annotations

from ....ir import Node
from ....ops.comparison import Comparison, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from ..rule import TfliteOp, family


@family(
    {
        "EQUAL": Equal,
        "NOT_EQUAL": NotEqual,
        "LESS": Less,
        "LESS_EQUAL": LessEqual,
        "GREATER": Greater,
        "GREATER_EQUAL": GreaterEqual,
    }
)
def comparison(cls: type[Comparison], src: TfliteOp) -> list[Node]:
    return [src.node(cls(), src.operands(2))]
