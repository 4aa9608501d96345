"""Import SELECT, SELECT_V2."""

from __future__ import annotations

from dataclasses import replace

from ....ir import Node, Value
from ....ops.reshape import Reshape
from ....ops.select import Select
from ..rule import TfliteOp, rule


@rule(Select, "SELECT", "SELECT_V2")
def select(src: TfliteOp) -> list[Node]:
    condition, x, y = src.operands(3)
    shape = condition.type.shape
    if src.name != "SELECT" or len(shape) != 1 or len(x.type.shape) < 2:
        return [src.node(Select(), [condition, x, y])]
    # Each of its conditions holds for a whole slice of the first axis.
    type = replace(condition.type, shape=(*shape, *(1,) * (len(x.type.shape) - 1)))
    if condition.data is not None:
        rows = src.const("condition", condition.data.reshape(type.shape))
        return [src.node(Select(), [rows, x, y])]
    rows = Value(f"{src.outputs[0].name}/condition", type, src.origin)
    reshape = Node(Reshape(), (condition,), (rows,), src.origin)
    return [reshape, src.node(Select(), [rows, x, y])]
