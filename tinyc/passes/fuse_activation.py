"""Fuse a RELU, RELU6 or RELU_N1_TO_1 into the node that computes its input.

Exact where both sides have one type: the node saturates to the activation's range instead of
the type's, which is what clamping its result does.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, applies
from ..ops._mixins import Activated
from ..ops.relu import Relu


def fuse_activation(graph: Graph) -> Graph:
    """Only where the activation alone reads the node, and the node has none of its own."""
    uses, producers = graph.uses(), graph.producers()
    outputs = frozenset(graph.results)
    changed: dict[Node, Node] = {}
    dropped: set[Node] = set()
    for node in graph.nodes:
        if not applies(node, Relu):
            continue
        x = node.inputs[0]
        before = producers.get(x)
        if (
            applies(before, Activated)
            and not applies(before, Relu)
            and before not in changed
            and before.op.activation == "none"
            and x.type == node.output.type
            and uses[x] == [node]
            and x not in outputs
        ):
            op = replace(before.op, activation=node.op.activation)
            changed[before] = replace(before, op=op, outputs=node.outputs)
            dropped.add(node)
    nodes = tuple(changed.get(n, n) for n in graph.nodes if n not in dropped)
    return replace(graph, nodes=nodes)
