"""Compute at compile time what depends on no input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Graph, Node, Value
from ..ops.shape import Shape


def fold_constants(graph: Graph) -> Graph:
    """A node whose inputs are all constants becomes constants, by its numpy reference; so does
    the shape of a tensor, which is static."""
    folded: dict[Value, Value] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(folded.get(v, v) for v in node.inputs)
        if inputs != node.inputs:
            node = replace(node, inputs=inputs)
        if not all(v.constant for v in inputs) and not isinstance(node.op, Shape):
            nodes.append(node)
            continue
        arrays = [np.empty(v.type.shape, np.int8) if v.data is None else v.data for v in inputs]
        for value, array in zip(node.outputs, node.op.evaluate(node, *arrays), strict=True):
            # A copy: the reference may return a view of its input.
            folded[value] = replace(value, data=np.array(array))
    return replace(graph, nodes=tuple(nodes)).with_results(lambda v: folded.get(v, v))
