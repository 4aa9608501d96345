"""Import ADD, ADD_N, SUB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ....ir import DType, Node, Value
from ....ops.add import Add, Sub, log2
from ..rule import TfliteOp, family


@family({"ADD": Add, "ADD_N": Add, "SUB": Sub})
def add(cls: type[Add], src: TfliteOp) -> list[Node]:
    if src.name == "ADD_N":
        return _sums(src, cls("none"))
    inputs = src.operands(2)
    return [src.node(cls(src.activation(), _shifts_alone(src, inputs)), inputs)]


def _sums(src: TfliteOp, op: Add) -> list[Node]:
    """ADD_N, which adds one operand after the other."""
    total, *rest = src.operands(2, max(2, len(src.inputs)))
    nodes: list[Node] = []
    for i, value in enumerate(rest, 1):
        out = src.outputs[0]
        if i < len(rest):
            out = replace(out, name=f"{out.name}/{i}")
        nodes.append(Node(op, (total, value), (out,), src.origin))
        total = out
    return nodes


def _shifts_alone(src: TfliteOp, inputs: Sequence[Value]) -> bool:
    """Whether TFLite would take an int16 operator for `Add.pot` (Prepare of add.cc)."""
    types = [v.type for v in (*inputs, *src.outputs)]
    if any(t.dtype is not DType.I16 or t.quant is None or t.quant.per_channel for t in types):
        return False
    return bool(src.option("pot_scale_int16")) and None not in [log2(t.scale) for t in types]
