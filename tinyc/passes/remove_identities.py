"""Remove nodes that hand on their input unchanged."""

from __future__ import annotations

import numpy as np

from ..ir import DType, Graph, Node, Value
from ..ops.concat import Concat
from ..ops.dequantize import Dequantize
from ..ops.pad import Pad
from ..ops.quantize import Quantize
from ..ops.reshape import Reshape
from ..ops.transpose import Transpose

ROUND_TRIP = (DType.I8, DType.U8, DType.I16)
"""Types whose every value comes back exact from float32 by DEQUANTIZE and QUANTIZE."""


def remove_identities(graph: Graph) -> Graph:
    """A node whose output equals its input in type and bytes goes, as does a QUANTIZE of a
    DEQUANTIZE of equal type. A node between an input and an output of the graph stays."""
    outputs = frozenset(graph.results)
    fixed = {*graph.sources, *outputs}
    producers = graph.producers()
    mapping: dict[Value, Value] = {}
    dropped: list[Node] = []
    for node in graph.nodes:
        source = _same_as(node, producers)
        if source is None or source.constant or source.type != node.output.type:
            continue
        if node.output in outputs and (source in fixed or mapping.get(source) in fixed):
            continue
        mapping[node.output] = mapping.get(source, source)
        dropped.append(node)
        if node.output in outputs:
            fixed.add(mapping[node.output])
    return graph.substitute(mapping, dropped)


def _same_as(node: Node, producers: dict[Value, Node]) -> Value | None:
    """The value whose bytes the output repeats, given that their types are equal."""
    op, x = node.op, node.inputs[0]
    if isinstance(op, Quantize):
        before = producers.get(x)
        if before is None or not isinstance(before.op, Dequantize):
            return x
        return before.inputs[0] if before.inputs[0].type.dtype in ROUND_TRIP else None
    if isinstance(op, Reshape):
        # One shape after the other may lead back to what there was.
        source = x
        while (before := producers.get(source)) is not None and isinstance(before.op, Reshape):
            source = before.inputs[0]
            if source.type == node.output.type:
                return source
        return x
    if isinstance(op, Pad) or (isinstance(op, Concat) and len(node.inputs) == 1):
        return x
    if isinstance(op, Transpose) and np.all(np.diff(_moved(op, x)) > 0):
        return x
    return None


def _moved(op: Transpose, x: Value) -> list[int]:
    """The axes longer than 1, in the order in which they stand in the output."""
    return [a for a in op.axes if x.type.shape[a] != 1]
