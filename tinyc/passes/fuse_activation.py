"""Fuse a RELU, RELU6 or RELU_N1_TO_1 into the node that computes its input.

Exact where both sides have one type: the node saturates to the activation's range instead of
the type's, which is what clamping its result does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir import Graph, Node, Value, applies
from ..ops._mixins import Activated
from ..ops.relu import Relu


def fuse_activation(graph: Graph) -> Graph:
    """Only where the activation alone reads the node, under whatever shape, and the node has none
    of its own."""
    uses, producers = graph.uses(), graph.producers()
    outputs = frozenset(graph.results)
    changed: dict[Node, Node] = {}
    dropped: set[Node] = set()
    for node in graph.nodes:
        if not applies(node, Relu):
            continue
        (x,) = node.inputs
        if x.type != node.output.type:
            continue
        # The last of the way takes the activation's output.
        last = before = producers.get(x)
        while before is not None and before.op.view and _alone(x, uses, outputs):
            (x,) = before.inputs
            before = producers.get(x)
        if (
            applies(before, Activated)
            and not applies(before, Relu)
            and before not in changed
            and before.op.activation == "none"
            and _alone(x, uses, outputs)
        ):
            assert last is not None
            op = replace(before.op, activation=node.op.activation)
            changed[before] = replace(before, op=op)
            changed[last] = replace(changed.get(last, last), outputs=node.outputs)
            dropped.add(node)
    nodes = tuple(changed.get(n, n) for n in graph.nodes if n not in dropped)
    return replace(graph, nodes=nodes)


def _alone(value: Value, uses: Mapping[Value, list[Node]], outputs: frozenset[Value]) -> bool:
    """Whether one node reads ``value``, and nothing else."""
    return len(uses[value]) == 1 and value not in outputs
