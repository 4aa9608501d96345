"""Transpositions of what a dense layer computes, as the order of its weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..ir import Graph, Node, Value, applies
from ..ops.reshape import Reshape
from ..ops.transpose import Transpose


def order_rows(graph: Graph) -> Graph:
    """Exact. Where such a layer's output goes through views, and through what maps each of its
    elements alike, into one transposition, which is a view then."""
    uses, producers, results = graph.uses(), graph.producers(), frozenset(graph.results)
    changed: dict[Node, Node] = {}
    for node in graph.nodes:
        if not applies(node, Transpose):
            continue
        (value,) = node.inputs
        places = np.arange(math.prod(value.type.shape)).reshape(value.type.shape)
        before = producers.get(value)
        while before is not None and len(uses[value]) == 1 and value not in results:
            operands = before.op.ordered(before, places.transpose(node.op.axes).ravel())
            if operands is not None and before not in changed:
                changed[before] = replace(before, inputs=operands)
                changed[node] = Node(Reshape(), node.inputs, node.outputs, node.origin)
            if operands is not None or not maps_each(before):
                break
            (value,) = before.variable_inputs
            before = producers.get(value)
    return replace(graph, nodes=tuple(changed.get(n, n) for n in graph.nodes)) if changed else graph


def maps_each(node: Node) -> bool:
    """Whether each element of the output is a function of one at its place, the same of all."""
    if isinstance(node.op, Reshape):
        return not node.inputs[0].constant
    fixed: list[Value] = [v for v in node.inputs if v.constant]
    return (
        node.op.elementwise
        and len(node.outputs) == 1
        and len(node.inputs) == len(fixed) + 1
        and all(v.type.elements == 1 for v in fixed)
        and node.output.type.shape == node.variable_inputs[0].type.shape
    )
