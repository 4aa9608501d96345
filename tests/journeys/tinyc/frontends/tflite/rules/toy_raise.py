"""Import the custom operator ToyRaise."""

from __future__ import annotations

from ....ir import Node
from ....ops.toy_raise import ToyRaise
from ..rule import TfliteOp, rule


@rule(ToyRaise, "CUSTOM ToyRaise")
def toy_raise(src: TfliteOp) -> list[Node]:
    return [src.node(ToyRaise(src.custom_options("by")["by"]), src.operands(1))]
