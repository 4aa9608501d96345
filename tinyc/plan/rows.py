"""How layers go through their images by rows."""

from __future__ import annotations

from ..ir import Node, TensorType, applies
from ..ops._mixins import Windowed
from .plan import Step


def row_bytes(type: TensorType) -> int:
    """Of a row of an image [1, h, w, c]."""
    return type.bytes // type.shape[1]


def first_row(node: Node[Windowed], y: int) -> int:
    """The first row of the input that row ``y`` of the output, and those after it, depend on."""
    return max(0, y * node.op.stride[0] - node.op.padding[0][0])


def distance(step: Step) -> int | None:
    """How many bytes behind the start of the output the input may lie at the least, if it is not
    needed any more: so many that each row of the output ends before the first row of the input
    that is read afterwards. None for layers that do not go through an image row by row.
    """
    node = step.node
    if not (step.binding.ordered and applies(node, Windowed)):
        return None
    if node.variable_inputs != node.inputs[:1]:
        return None
    x, y = node.inputs[0].type, node.output.type
    if x.shape[0] != 1:
        return None
    read, made = row_bytes(x), row_bytes(y)
    return max((i + 1) * made - first_row(node, i) * read for i in range(y.shape[1]))
