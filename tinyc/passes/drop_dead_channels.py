"""Drop channels that carry a constant: pruned networks and ReLU leave many of them.

A convolution's output channel whose weights are all zero is the same number at every pixel.
Followed through depthwise convolutions into the next convolution or fully connected layer, it
is a constant that belongs into that layer's bias; the channel and its weights then go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import TypeIs

from ..ir import DType, Graph, Node, Value, applies
from ..ir.quant import activation_range
from ..ops._conv import rescaled, weight_zero
from ..ops._mixins import Windowed
from ..ops._move import taken
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d

GROUP = 4
"""Kernels of the DSP cores take channels by four: some dead ones stay to keep the multiple."""


@dataclass
class _Chain:
    """A convolution, depthwise convolutions that alone read it in turn, the convolution that
    alone reads the last of them."""

    head: Node[Conv2d]
    middle: list[Node[DepthwiseConv2d]]
    tail: Node[Conv2d]


def drop_dead_channels(graph: Graph) -> Graph:
    """Exact: every tensor that remains keeps its values, every output all of them."""
    uses, outputs = graph.uses(), frozenset(graph.results)
    rewritten: dict[Node, Node] = {}
    for node in graph.nodes:
        # The tail of one chain may be the head of the next; its output is what it was.
        head = rewritten.get(node, node)
        chain = _follow(head, uses, outputs) if _is_conv(head) else None
        if chain is None:
            continue
        constants = _constants(chain)
        alive = [c for c, value in enumerate(constants) if value is None]
        dead = [c for c, value in enumerate(constants) if value is not None]
        while dead and (len(alive) % GROUP or not alive):
            alive.append(dead.pop(0))
        if dead:
            without = _without(chain, sorted(alive), dead, constants)
            rewritten |= {**without, node: without[head]}
    return replace(graph, nodes=tuple(rewritten.get(n, n) for n in graph.nodes))


def _is_conv(node: Node) -> TypeIs[Node[Conv2d]]:
    x = node.inputs[0].type
    return (
        applies(node, Conv2d)
        and x.dtype is DType.I8
        and node.output.type.dtype is DType.I8
        and all(v.constant for v in node.inputs[1:])
        and not weight_zero(node)
        and node.inputs[1].type.shape[3] == x.shape[3]
    )


def _follow(
    head: Node[Conv2d], uses: Mapping[Value, list[Node]], outputs: frozenset[Value]
) -> _Chain | None:
    middle: list[Node[DepthwiseConv2d]] = []
    value = head.output
    while value not in outputs and len(uses.get(value, [])) == 1:
        (node,) = uses[value]
        if node.inputs[0] is not value or not all(v.constant for v in node.inputs[1:]):
            return None
        if _is_conv(node):
            return _Chain(head, middle, node)
        same = node.inputs[1].type.shape[-1:] == value.type.shape[-1:] if node.inputs[1:] else False
        if not applies(node, DepthwiseConv2d) or not same:
            return None
        if node.output.type.dtype is not DType.I8 or weight_zero(node):
            return None
        middle.append(node)
        value = node.output
    return None


def _constants(chain: _Chain) -> list[int | None]:
    """What each channel is at the end of the chain, None where it depends on the input."""
    values: list[int | None] = [None] * chain.head.output.type.shape[3]
    layers: list[Node[Conv2d] | Node[DepthwiseConv2d]] = [chain.head, *chain.middle]
    for node in layers:
        x, weights, bias = node.inputs
        depthwise = node is not chain.head
        axes = (0, 1, 2) if depthwise else (1, 2, 3)
        data = weights.array.astype(np.int64)
        empty = ~np.any(data, axis=axes)
        sums = data.sum(axes)
        low, high = activation_range(node.op.activation, node.output.type)
        clear = [v is not None and not _blurs(node, v) for v in values]
        before = np.array([v if v is not None else 0 for v in values], np.int64)
        acc = bias.array.ravel() + np.where(empty, 0, sums * (before - x.type.zero_point))
        after = np.clip(rescaled(node, acc) + node.output.type.zero_point, low, high)
        values = [int(v) if k else None for v, k in zip(after, empty | clear, strict=True)]
    return [None if v is None or _blurs(chain.tail, v) else v for v in values]


def _blurs(node: Node[Windowed], value: int) -> bool:
    """Whether padding, which reads as the zero point, shows beside the constant ``value``."""
    padded = any(map(any, node.op.padding))
    return padded and value != node.inputs[0].type.zero_point


def _without(
    chain: _Chain, alive: list[int], dead: list[int], constants: list[int | None]
) -> dict[Node, Node]:
    """Each node of ``chain`` -> the one that does without the ``dead`` channels."""
    replaced: dict[Node, Node] = {}
    value = chain.head.inputs[0]
    for node in [chain.head, *chain.middle]:
        axis = 0 if node is chain.head else 3
        weights = taken(node.inputs[1], axis, alive)
        bias = taken(node.inputs[2], 0, alive)
        t = node.output.type
        output = replace(node.output, type=replace(t, shape=(*t.shape[:3], len(alive))))
        replaced[node] = replace(node, inputs=(value, weights, bias), outputs=(output,))
        value = output
    tail = chain.tail
    x, weights, bias = tail.inputs
    fold = bias.array.astype(np.int64)
    for c in dead:
        constant = constants[c]
        assert constant is not None
        sums = weights.array[..., c].astype(np.int64).sum((1, 2))
        fold = fold + sums * (constant - x.type.zero_point)
    folded = replace(bias, data=fold.astype(np.int32))
    replaced[tail] = replace(tail, inputs=(value, taken(weights, 3, alive), folded))
    return replaced
