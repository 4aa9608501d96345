"""Remove nodes that no output depends on."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node


def remove_dead(graph: Graph) -> Graph:
    """Keeps the graph's inputs, even those that nothing reads."""
    needed = set(graph.results)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    return replace(graph, nodes=tuple(reversed(kept)))
