"""Import ONE_HOT."""

from __future__ import annotations

from ....ir import Node
from ....ops._move import same_kind
from ....ops.base import CONVERT_AGAIN
from ....ops.one_hot import OneHot
from ..rule import TfliteOp, rule
from .move import constant_number, wrap_axis


@rule(OneHot, "ONE_HOT")
def one_hot(src: TfliteOp) -> list[Node]:
    indices, depth, on, off = src.operands(4)
    axis = wrap_axis(src, src.option("axis"), len(indices.type.shape) + 1)
    values: list[int | float] = []
    for value in (on, off):
        if value.data is None:
            raise src.fail(
                f"operand '{value.name}' depends on the model's input",
                "make the two values of the vectors constants",
                "E305",
            )
        if value.data.size != 1:
            raise src.fail(f"operand '{value.name}' is no single number", CONVERT_AGAIN, "E301")
        values.append(value.data.item())
    node = src.node(OneHot(axis, constant_number(src, depth, "depth"), *values), [indices])
    for value in (on, off):
        same_kind(node, value.type, node.output.type, f"'{value.name}' and output")
    return [node]
