"""What a network does to its inputs before all else: scales and offsets, as of Keras's Rescaling
and Normalization, which need no work where int8 can mean what they make of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..ir import Array, DType, Graph, Node, Quant, TensorType, Value
from ..ops._conv import NO_PADDING
from ..ops.add import Add, Sub
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from ..ops.mul import Mul
from ..passes._pointwise import Region
from ._kinds import is_float
from ._types import Ranges, quant_of

_WIDER = 1.1
"""How much wider a range may become where it is stretched to hold 0."""
_FEW, _COARSER = 16, 4
"""A channel that takes so many steps of an output, and of the input as many times fewer, would lose
its numbers."""


def same_bytes(region: Region, low: float, high: float) -> tuple[Quant, Quant, float] | None:
    """Quantizations of an input in [low, high] and of what ``region`` makes of it by which both are
    the same bytes, and how much the second is too small everywhere, half a step at most; None
    where it is no product with a positive number and a sum. A zero point of the input may be no
    int8: what is far from 0 gets as many steps as what is near."""
    if not high - low > 1e-6 * max(abs(low), abs(high)):
        return None
    x = np.linspace(low, high, 256, dtype=np.float32)
    y = region.evaluate(x).astype(np.float64)
    scale = float(y[-1] - y[0]) / (high - low)
    term = float(y[0]) - scale * low
    quant = quant_of(min(low, 0.0), max(high, 0.0))
    if quant.scale[0] * 255 > _WIDER * (high - low):
        step = float(np.float32((high - low) / 255))
        quant = Quant((step,), (round(-128 - low / step),))
    step = float(np.float32(scale * quant.scale[0]))
    if scale <= 0 or np.abs(y - scale * x - term).max() > step / 16:
        return None
    zero = quant.zero_point[0] - term / step
    whole = int(np.clip(round(zero), -128, 127))
    if abs(whole - zero) > 0.5:
        return None
    return quant, Quant((step,), (whole,)), step * (whole - zero)


def centred(graph: Graph, ranges: Ranges) -> tuple[Graph, list[Region]]:
    """``graph`` with the middle of its range taken off each float32 input that is far from 0, where
    nothing but layers without a border reads it: they get it back by their biases. ``ranges`` gets
    that of what is left. With the regions that do it."""
    found = []
    for x in graph.inputs:
        low, high = ranges.get(x, (0.0, 0.0))
        readers = graph.uses().get(x, [])
        plain = all(_layer(n, x) and _borderless(n) for n in readers)
        far = max(high, 0.0) - min(low, 0.0) > _WIDER * (high - low) > 0
        if not readers or not plain or not far or x in graph.results:
            continue
        middle = np.array([(low + high) / 2], np.float32)
        y = Value(f"{x.name}/centred", x.type, x.origin)
        ranges[y] = low - middle.item(), high - middle.item()
        constant = Value(f"{x.name}/middle", TensorType((1,), DType.F32), x.origin, middle)
        node = Node(Sub("none"), (x, constant), (y,), x.origin)
        graph = raised(graph, x, middle.item(), y)
        graph = replace(graph, nodes=(node, *graph.nodes))
        found.append(Region(x, (node,)))
    return graph, found


def raised(graph: Graph, value: Value, amount: float, to: Value | None = None) -> Graph:
    """``graph`` whose layers read ``value``, or ``to`` in its place, as if it were greater by
    ``amount``."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if _layer(node, value):
            _, weights, bias = node.inputs
            axis = node.op.weight_axis
            others = tuple(a for a in range(weights.array.ndim) if a != axis)
            sums = weights.array.astype(np.float64).sum(others)
            moved = (bias.array + (amount * sums).reshape(bias.array.shape)).astype(np.float32)
            node = replace(node, inputs=(to or value, weights, replace(bias, data=moved)))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _layer(node: Node, value: Value) -> bool:
    """Whether a layer with constant weights reads ``value``."""
    layer = isinstance(node.op, Conv2d | DepthwiseConv2d | FullyConnected)
    return layer and node.inputs[0] is value and all(v.constant for v in node.inputs[1:])


def _borderless(node: Node) -> bool:
    return isinstance(node.op, FullyConnected) or getattr(node.op, "padding", None) == NO_PADDING


def coarse(graph: Graph, samples: Sequence[Sequence[Array]]) -> list[Region]:
    """The sums and products with a constant of each channel behind float32 inputs whose channels
    are so unlike that one int8 scale for all would lose some of them: what stays float32."""
    uses, found = graph.uses(), []
    for place, source in enumerate(graph.inputs):
        nodes: list[Node] = []
        value = source
        while is_float(value) and len(uses.get(value, ())) == 1 and value not in graph.results:
            (node,) = uses[value]
            if not isinstance(node.op, Add | Mul) or len(node.variable_inputs) != 1:
                break
            nodes.append(node)
            value = node.output
        if not nodes or not source.type.shape:
            continue
        x = np.stack([arrays[place] for arrays in samples])
        y = x
        for node in nodes:
            rows = [
                node.op.evaluate(node, *(row if v.data is None else v.data for v in node.inputs))[0]
                for row in y
            ]
            y = np.stack(rows)
        if x.shape != y.shape:
            continue
        before, after = _steps(x), _steps(y)
        if np.any((after > _FEW) & (before * _COARSER < after)):
            found.append(Region(source, tuple(nodes)))
    return found


def _steps(x: Array) -> Array:
    """How many steps of int8 for all of x [..., channels] each channel spans."""
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    scale = (max(flat.max(), 0.0) - min(flat.min(), 0.0)) / 255
    return np.asarray(np.ptp(flat, 0) / (scale or 1.0))
