"""Import CONCATENATION."""

from __future__ import annotations

from dataclasses import replace

from ....ir import Node, Value
from ....ops.concat import Concat, Rescale
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(Concat, "CONCATENATION")
def concat(src: TfliteOp) -> list[Node]:
    inputs = src.operands(1, 1 << 16)
    if src.activation() != "none":
        raise src.fail("has a fused activation", "use a separate activation layer")
    axis = wrap_axis(src, src.option("axis"), len(inputs[0].type.shape))
    operands: list[Value] = []
    nodes: list[Node] = []
    for value in inputs:
        out = src.outputs[0].type
        if src.unsigned and value.type.quant != out.quant:
            kind = replace(value.type, quant=out.quant)
            scaled = Value(f"{src.outputs[0].name}/{len(nodes)}", kind, src.origin)
            nodes.append(Node(Rescale(), (value,), (scaled,), src.origin))
            value = scaled
        if value.type.elements:
            operands.append(value)
    return [*nodes, src.node(Concat(axis), operands)]
