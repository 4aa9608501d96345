"""Drop channels that nothing depends on: pruned networks and ReLU leave many of them.

A channel is constant where its weights are all zero, or where its sums do not reach past its clamp.
Followed through what keeps channels apart (depthwise convolutions, pooling, element-wise operators,
flattening) to the convolutions and fully connected layers that read it, it goes into their biases.
A channel that all of them multiply by zero goes too, constant or not; and what is left without a
reader by that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from typing_extensions import TypeIs

from ..ir import Array, DType, Graph, Node, Value, applies
from ..ir.quant import activation_range
from ..ops._conv import NO_PADDING, rescaled, weight_zero
from ..ops._mixins import Weighted, Windowed
from ..ops._move import taken
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected

_Layer = Node[Conv2d] | Node[FullyConnected]
"""Whose outputs each depend on all channels: weights [outputs, ..., channels]."""


def drop_dead_channels(graph: Graph) -> Graph:
    """Exact: every channel that remains keeps its values, every output all of them."""
    ranges = _ranges(graph)
    kept = _kept(graph, ranges)
    narrow = {
        value: replace(
            value, type=replace(value.type, shape=(*value.type.shape[:-1], int(mask.sum())))
        )
        for value, mask in kept.items()
        if not mask.all()
    }
    if not narrow:
        return graph
    nodes = []
    for node in graph.nodes:
        inputs = tuple(narrow.get(v, v) for v in node.inputs)
        outputs = tuple(narrow.get(v, v) for v in node.outputs)
        if inputs == node.inputs and outputs == node.outputs:
            nodes.append(node)
            continue
        if _is_layer(node):
            inputs = (inputs[0], *_without(node, ranges[node.inputs[0]], kept))
        else:
            chosen = np.flatnonzero(kept[node.output]).tolist()
            inputs = tuple(
                taken(v, len(v.type.shape) - 1, chosen) if v.constant and _follows(v, node) else v
                for v in inputs
            )
        nodes.append(replace(node, inputs=inputs, outputs=outputs))
    return replace(graph, nodes=tuple(nodes))


def _without(node: _Layer, x: _Range, kept: Mapping[Value, Array]) -> tuple[Value, Value]:
    """Weights and bias of ``node`` without the channels that go."""
    (value, weights, bias), rows, columns = node.inputs, kept[node.output], kept[node.inputs[0]]
    # Of channels that go and are not constant the weights are zero.
    offset = np.where(x.constant & ~columns, x.low - value.type.zero_point, 0)
    sums = weights.array.astype(np.int64).reshape(len(rows), -1, len(columns)).sum(1)
    folded = bias.array + (sums @ offset).reshape(bias.type.shape)
    chosen = np.flatnonzero(rows).tolist()
    last = len(weights.type.shape) - 1
    return (
        taken(taken(weights, 0, chosen), last, np.flatnonzero(columns).tolist()),
        taken(replace(bias, data=folded.astype(np.int32)), len(bias.type.shape) - 1, chosen),
    )


# Operators --------------------------------------------------------------------------------


def _channels(value: Value) -> int:
    return value.type.shape[-1] if value.type.shape else 1


def _is_int8(node: Node[Weighted]) -> bool:
    """Whether the operands of an int8 layer are as most have them."""
    x, weights, bias = node.inputs
    return (
        (x.type.dtype, node.output.type.dtype) == (DType.I8, DType.I8)
        and not x.constant
        and weights.constant
        and bias.constant
        and _channels(bias) == _channels(node.output)
        and not weight_zero(node)
    )


def _is_layer(node: Node) -> TypeIs[_Layer]:
    if not (applies(node, Conv2d) or applies(node, FullyConnected)) or not _is_int8(node):
        return False
    x, weights, _ = node.inputs
    return _channels(weights) == _channels(x)  # else grouped, or of several rows


def _is_apart(node: Node) -> bool:
    """Whether an operator keeps channels apart."""
    return len(node.outputs) == 1 and not _is_layer(node) and node.op.channelwise(node)


def _follows(value: Value, node: Node) -> bool:
    """Whether an operand of an operator that keeps channels apart has channels as its output has
    them; it may have one for all."""
    return _channels(value) > 1 or _channels(node.output) == 1


# What is constant -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Range:
    """Between which numbers each channel of an int8 tensor is, int64."""

    low: Array
    high: Array

    @property
    def constant(self) -> Array:
        return np.asarray(self.low == self.high)


def _ranges(graph: Graph) -> dict[Value, _Range]:
    """Of every variable that is int8."""
    found = {value: _widest(value) for value in graph.sources if value.type.dtype is DType.I8}
    for node in graph.nodes:
        for value in node.outputs:
            if value.type.dtype is not DType.I8:
                continue
            apart = _is_apart(node)
            if _is_layer(node) or (apart and applies(node, DepthwiseConv2d) and _is_int8(node)):
                found[value] = _reach(node, found[node.inputs[0]])
            else:
                found[value] = _mapped(node, found) if apart else _widest(value)
    return found


def _widest(value: Value) -> _Range:
    ends = (np.full(_channels(value), end, np.int64) for end in value.type.dtype.limits)
    return _Range(*ends)


def _reach(node: _Layer | Node[DepthwiseConv2d], x: _Range) -> _Range:
    """Of a layer whose input is in the range ``x``."""
    value, weights, bias = node.inputs
    low, high = (end - value.type.zero_point for end in (x.low, x.high))
    if _is_padded(node):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    data = weights.array.astype(np.int64)
    if applies(node, DepthwiseConv2d):
        taps = data.reshape(-1, len(low))
        up, down = np.maximum(taps, 0).sum(0), np.minimum(taps, 0).sum(0)
        least, most = up * low + down * high, up * high + down * low
    else:
        taps = data.reshape(len(data), -1, len(low))
        up, down = np.maximum(taps, 0).sum(1), np.minimum(taps, 0).sum(1)
        least, most = up @ low + down @ high, up @ high + down @ low
    sums = np.stack([least, most]) + bias.array.ravel().astype(np.int64)
    ends = rescaled(node, sums) + node.output.type.zero_point
    ends = np.clip(ends, *activation_range(node.op.activation, node.output.type))
    wraps = np.any(sums != sums.astype(np.int32), axis=0) & (least != most)
    widest = _widest(node.output)
    return _Range(np.where(wraps, widest.low, ends[0]), np.where(wraps, widest.high, ends[1]))


def _is_padded(node: Node) -> bool:
    return isinstance(node.op, Windowed) and node.op.padding != NO_PADDING


def _mapped(node: Node, ranges: Mapping[Value, _Range]) -> _Range:
    """Of what keeps channels apart: constants of constants, as its reference has them."""
    widest, count = _widest(node.output), _channels(node.output)
    constant = np.ones(count, bool)
    for value in node.variable_inputs:
        if value not in ranges or not _follows(value, node):
            return widest
        constant &= _spread(ranges[value].constant, count)
    if not constant.any():
        return widest
    arrays = [
        v.array if v.constant else np.broadcast_to(ranges[v].low.astype(np.int8), v.type.shape)
        for v in node.inputs
    ]
    (y,) = node.op.evaluate(node, *arrays)
    y = y.reshape(-1, count)
    constant &= (y == y[0]).all(0)
    return _Range(np.where(constant, y[0], widest.low), np.where(constant, y[0], widest.high))


def _spread(channels: Array, count: int) -> Array:
    """What belongs to the channels of an operand, for those of an output that has ``count``: more
    where it has pixels side by side."""
    return np.tile(channels, count // len(channels))


# What is needed ---------------------------------------------------------------------------


class _Classes:
    """Channels of several values that stay or go together."""

    def __init__(self) -> None:
        self.of: dict[Value, Array] = {}
        self._parents: list[int] = []

    def add(self, value: Value) -> None:
        """Each channel in a class of its own."""
        start = len(self._parents)
        self._parents += range(start, start + _channels(value))
        self.of[value] = np.arange(start, len(self._parents))

    def unite(self, one: Array, other: Array) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            self._parents[self._root(a)] = self._root(b)

    def _root(self, item: int) -> int:
        while self._parents[item] != item:
            self._parents[item] = self._parents[self._parents[item]]
            item = self._parents[item]
        return item

    def settled(self) -> tuple[dict[Value, Array], int]:
        """The class of each channel, and how many numbers classes have."""
        roots = np.array([self._root(i) for i in range(len(self._parents))], np.int64)
        return {value: roots[items] for value, items in self.of.items()}, len(roots)


def _kept(graph: Graph, ranges: Mapping[Value, _Range]) -> dict[Value, Array]:
    """Whether each channel of each variable stays: where it or one that goes with it is needed."""
    classes, count = _classes(graph)
    needed = np.zeros(count, bool)
    for value in (*graph.sources, *graph.results):
        if value in classes:
            needed[classes[value]] = True
    layers = []
    for node in graph.nodes:
        if _is_layer(node):
            layers.append(node)
            continue
        apart = _is_apart(node)
        for value in (*node.variable_inputs, *(() if apart else node.outputs)):
            if not (apart and _follows(value, node)):
                needed[classes[value]] = True
    before = -1
    while before != (before := int(needed.sum())):
        for node in reversed(layers):
            x = node.inputs[0]
            needed[classes[x][_read(node, ranges[x], needed[classes[node.output]])]] = True
        # No tensor goes whole.
        for found in classes.values():
            needed[found[:1]] |= not needed[found].any()
    return {value: needed[found] for value, found in classes.items()}


def _read(node: _Layer, x: _Range, rows: Array) -> Array:
    """Which channels of its input a layer needs for ``rows`` of its output."""
    value, weights, _ = node.inputs
    used = weights.array[rows].reshape(-1, len(x.low)).any(0)
    foldable = x.constant
    if _is_padded(node):
        foldable = foldable & (x.low == value.type.zero_point)
    return np.asarray(used & ~foldable)


def _classes(graph: Graph) -> tuple[dict[Value, Array], int]:
    classes = _Classes()
    for value in graph.sources:
        classes.add(value)
    for node in graph.nodes:
        apart = _is_apart(node)
        for value in node.outputs:
            classes.add(value)
            for operand in node.variable_inputs if apart else ():
                if _follows(operand, node):
                    spread = _spread(classes.of[operand], _channels(value))
                    classes.unite(classes.of[value], spread)
    return classes.settled()
