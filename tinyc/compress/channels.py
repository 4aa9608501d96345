"""Prune channels: the weakest ones of a convolution become zero, and the passes drop them.

A channel without weights and bias is zero at every pixel, and in the layer behind at its border
too. `tinyc.passes.drop_dead_channels` takes it and its weights out of both.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ..ir import Array, Graph, Node, Value
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from .base import Technique, register

GROUP = 4
"""Kernels take channels by four: of other counts the last few cost as much as four."""


def channels(graph: Graph, part: float) -> Graph:
    """``graph`` without weights and bias of up to ``part`` (0 to 1) of each convolution's channels,
    those of the least norm, where another convolution or fully connected layer alone takes them
    up: as many as leave a multiple of `GROUP`."""
    made = {node: _pruned(node, part) for node in graph.nodes if _feeds_a_layer(graph, node)}
    return replace(graph, nodes=tuple(made.get(node, node) for node in graph.nodes))


def _feeds_a_layer(graph: Graph, node: Node) -> bool:
    """Whether the channels of a convolution reach one layer, through what keeps them apart."""
    if not isinstance(node.op, Conv2d) or node.inputs[1].data is None:
        return False
    uses, outputs = graph.uses(), frozenset(graph.results)
    value = node.output
    while value not in outputs and len(uses.get(value, ())) == 1:
        (reader,) = uses[value]
        if isinstance(reader.op, (Conv2d, FullyConnected)) and reader.inputs[0] is value:
            return True
        apart = reader.op.elementwise or isinstance(reader.op, DepthwiseConv2d)
        if not apart or len(reader.variable_inputs) != 1 or len(reader.outputs) != 1:
            return False
        value = reader.output
    return False


def _pruned(node: Node, part: float) -> Node:
    weights = node.inputs[1]
    real: Array = weights.array.astype(np.float64)
    zero: Array = np.zeros(len(real), np.int64)
    if weights.type.quant is not None:
        zero = np.resize(np.asarray(weights.type.quant.zero_point), len(real))
        real = (real - zero.reshape(-1, 1, 1, 1)) * np.resize(
            np.asarray(weights.type.quant.scale), len(real)
        ).reshape(-1, 1, 1, 1)
    kept = math.ceil(round((1 - part) * len(real), 6) / GROUP) * GROUP
    if kept >= len(real):
        return node
    weakest = np.argsort((real**2).sum((1, 2, 3)), kind="stable")[: len(real) - kept]
    constants = [(weights, zero)]
    if len(node.inputs) > 2 and node.inputs[2].data is not None:
        constants.append((node.inputs[2], np.zeros_like(zero)))
    cut = [_cut(value, weakest, empty) for value, empty in constants]
    return replace(node, inputs=(node.inputs[0], *cut, *node.inputs[1 + len(cut) :]))


def _cut(value: Value, channels: Array, empty: Array) -> Value:
    """A constant with ``channels`` of its first axis as ``empty`` has it for each."""
    data = value.array.copy()
    data[channels] = empty[channels].reshape(-1, *[1] * (data.ndim - 1)).astype(data.dtype)
    return Value(value.name, value.type, value.origin, data)


register(Technique("channels", "drop that part of channels, the weakest", channels, default=0.25))
