"""Import LOGISTIC."""

from __future__ import annotations

from ....ir import Node
from ....ops.logistic import Logistic
from ..rule import TfliteOp, rule


@rule(Logistic, "LOGISTIC")
def logistic(src: TfliteOp) -> list[Node]:
    return [src.node(Logistic(), src.operands(1))]
