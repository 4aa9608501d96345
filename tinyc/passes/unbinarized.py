"""Say why layers whose operands are signs are computed with numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..ir import Graph, Node, Value
from ..ops._bits import WORD
from ..ops._conv import NO_PADDING
from ..ops._move import Lookup, Movement
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from ..ops.lce_dequantize import LceDequantize
from ..ops.max_pool import MaxPool2d
from ..ops.pad import Pad


def unbinarized(graph: Graph) -> dict[str, str]:
    """The origin of each layer of float32 that `tinyc.passes.binarize` left as it was although
    it multiplies signs with signs, or with signs and zeros -> why it did."""
    producers = graph.producers()
    found: dict[str, str] = {}
    for node in graph.nodes:
        op = node.op
        weights = node.inputs[1].data if op.weight_axis is not None else None
        if op.weight_axis is None or weights is None or weights.dtype != np.float32:
            continue
        way = list(_from_signs(node.inputs[0], producers))
        rows = np.moveaxis(weights, op.weight_axis, 0).reshape(weights.shape[op.weight_axis], -1)
        # A batch normalization is such a layer of one weight a channel, and no binary one.
        if way and rows.shape[1] > 1 and _signs_and_zeros(rows):
            found[node.origin] = _reason(node, rows, way[1:])
    return found


def _from_signs(value: Value, producers: dict[Value, Node]) -> Iterator[Node]:
    """The LceDequantize that ``value`` is from and then, towards it, what moves its signs; nothing
    where there is something else."""
    node = producers.get(value)
    if node is None:
        return
    if isinstance(node.op, LceDequantize):
        yield node
    elif isinstance(node.op, (Movement, Lookup, MaxPool2d)) or node.op.view:
        ways = [list(_from_signs(v, producers)) for v in node.variable_inputs]
        if ways and all(ways):
            yield from (*ways[0], node)


def _signs_and_zeros(rows: np.ndarray) -> bool:
    """Whether each row of [o, k] holds one magnitude, 0 beside it at most, and not only zeros in
    all of them."""
    sizes = np.abs(rows)
    scales = sizes.max(1, keepdims=True)
    return bool(scales.any() and np.all((sizes == scales) | (sizes == 0)))


def _reason(node: Node, rows: np.ndarray, way: list[Node]) -> str:
    if (zero := np.flatnonzero((rows == 0).any(1))).size:
        of = "all" if not rows[zero[0]].any() else "some"
        return f"{of} weights of its channel {zero[0]} are 0, which is no sign"
    pads = []
    for other in way:
        if isinstance(other.op, Pad):
            pads.append(other.op)
        elif not other.op.view:
            return f"{type(other.op).__name__} stands between it and its signs"
    if any(pad.value not in (0, 1) for pad in pads):
        return "its input is padded with what is neither 0 nor 1"
    if any(len(p.paddings) != 4 or any((*p.paddings[0], *p.paddings[3])) for p in pads):
        return "its input is padded along other axes than height and width"
    if pads and isinstance(node.op, FullyConnected):
        return "it is dense, and its input is padded"
    if pads and (len(pads) > 1 or node.op.padding != NO_PADDING):  # type: ignore[attr-defined]
        return "its input is padded twice"
    if isinstance(node.op, DepthwiseConv2d) and node.op.multiplier != 1:
        return f"it has {node.op.multiplier} filters for each of its channels"
    if isinstance(node.op, Conv2d):
        depth = node.inputs[1].type.shape[3]
        if depth != node.inputs[0].type.shape[3] and depth % WORD:
            return f"its groups have {depth} channels, no multiple of {WORD}"
    return f"{type(node.op).__name__} has no binary form of these shapes"
