"""Fuse a PAD with the zero point into the convolution that reads it.

A padded pixel then costs no memory and no multiplication: the zero point stands for 0.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, Value, applies
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.pad import Pad


def fuse_pad(graph: Graph) -> Graph:
    """Only a PAD of height and width that one convolution alone reads."""
    uses, producers = graph.uses(), graph.producers()
    outputs = frozenset(graph.results)
    dropped: set[Node] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        pad = producers.get(node.inputs[0]) if node.inputs else None
        if (
            applies(pad, Pad)
            and (applies(node, Conv2d) or applies(node, DepthwiseConv2d))
            and _pads_image(pad)
            and uses[pad.output] == [node]
            and pad.output not in outputs
        ):
            dropped.add(pad)
            node = _padded(node, pad)
        nodes.append(node)
    return replace(graph, nodes=tuple(n for n in nodes if n not in dropped))


def _pads_image(pad: Node[Pad]) -> bool:
    paddings, x = pad.op.paddings, pad.inputs[0].type
    outside = len(paddings) == 4 and paddings[0] == paddings[3] == (0, 0)
    return outside and pad.op.value == x.zero_point


def _padded(conv: Node[Conv2d] | Node[DepthwiseConv2d], pad: Node[Pad]) -> Node:
    def add(own: tuple[int, int], more: tuple[int, int]) -> tuple[int, int]:
        return own[0] + more[0], own[1] + more[1]

    _, rows, columns, _ = pad.op.paddings
    padding = (add(conv.op.padding[0], rows), add(conv.op.padding[1], columns))
    inputs: tuple[Value, ...] = (pad.inputs[0], *conv.inputs[1:])
    return Node(replace(conv.op, padding=padding), inputs, conv.outputs, conv.origin)
