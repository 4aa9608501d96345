"""Make float32 layers of those that have int8 weights beside float32 activations."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, applies
from ..ops._hybrid import Hybrid, dequantized


def dequantize_weights(graph: Graph) -> Graph:
    """The weights of a dynamic-range quantized network as float32, for what computes with these.
    Not exact: such a layer rounds its input too."""
    nodes = tuple(dequantized(n) if applies(n, Hybrid) else n for n in graph.nodes)
    return replace(graph, nodes=nodes)
