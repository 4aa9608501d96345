"""Compute what the side head of a network needs before all else."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph
from .early_exit import ancestors


def side_head_first(graph: Graph) -> Graph:
    """The nodes of which it is made, and whether it is sure, in front of the others."""
    if graph.side is None:
        return graph
    wanted = {*ancestors(graph, graph.side.sure), *ancestors(graph, graph.side.scores)}
    first = [node for node in graph.nodes if node in wanted]
    rest = [node for node in graph.nodes if node not in wanted]
    return replace(graph, nodes=(*first, *rest))
