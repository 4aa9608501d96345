"""Import LOG_SOFTMAX."""

from __future__ import annotations

from ....ir import Node
from ....ops.log_softmax import LogSoftmax
from ..rule import TfliteOp, rule


@rule(LogSoftmax, "LOG_SOFTMAX")
def log_softmax(src: TfliteOp) -> list[Node]:
    return [src.node(LogSoftmax(), src.operands(1))]
