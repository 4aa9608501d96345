"""A technique that leaves less to add."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node
from ..ops.toy_raise import ToyRaise
from .base import Technique, register


def toy_calm(graph: Graph, part: float) -> Graph:
    def calm(node: Node) -> Node:
        by = int(node.op.by * part) if isinstance(node.op, ToyRaise) else 0
        return replace(node, op=ToyRaise(by)) if by else node

    return replace(graph, nodes=tuple(map(calm, graph.nodes)))


register(Technique("toy_calm", "raise by a part", toy_calm))
