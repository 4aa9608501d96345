"""Compute a layer whose operands are signs with bits where the file computes it with floats.

LCE's converter makes binary only what its own kernels compute, dense CONV_2Ds. It leaves a
dense, one-dimensional, depthwise or grouped layer of larq as a float layer with weights of
+scale and -scale that reads unpacked signs. A sum of signs is exact in float32, so only the
rounding of the scale, which is applied once to the sum instead of to each product, differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..ir import Array, DType, Graph, Missed, Node, Op, TensorType, Value, applies
from ..ops._bits import WORD, pack, words
from ..ops._conv import NO_PADDING
from ..ops._mixins import Padding, Windowed
from ..ops._move import Lookup, Movement
from ..ops.binary_depthwise_conv2d import BinaryDepthwiseConv2d
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from ..ops.lce_bconv2d import LceBconv2d
from ..ops.lce_dequantize import LceDequantize
from ..ops.lce_quantize import LceQuantize
from ..ops.max_pool import MaxPool2d
from ..ops.pad import Pad
from ..ops.relu import Relu
from ..ops.reshape import Reshape
from ..ops.transpose_conv import TransposeConv


def binarize(graph: Graph) -> Graph:
    """Every CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED of float32 whose input are unpacked
    signs and whose weights are signs times one scale for each output channel. A note tells of
    each other layer that multiplies signs why it is left."""
    producers = graph.producers()
    nodes: list[Node] = []
    missed = list(graph.missed)
    for node in graph.nodes:
        found: _Binary | None = None
        if (
            applies(node, Conv2d)
            or applies(node, DepthwiseConv2d)
            or applies(node, FullyConnected)
            or applies(node, TransposeConv)
        ):
            try:
                found = _Binary.of(node, producers)
            except _LeftError as left:
                missed.append(Missed(node.origin, type(node.op), "bits", str(left)))
        nodes += found.nodes() if found else [node]
    return _early_signs(replace(graph, nodes=tuple(nodes), missed=tuple(missed)))


_Layer = Node[Conv2d] | Node[DepthwiseConv2d] | Node[FullyConnected]


class _LeftError(Exception):
    """Why a layer of signs is not computed with bits."""


@dataclass(frozen=True)
class _Signs:
    """Where a float value comes from: packed signs, read as a tensor of ``shape`` (the last
    axis being that of the packing) and then padded with ones or with zeros."""

    packed: Value
    shape: tuple[int, ...]
    padding: Padding = NO_PADDING
    pad_value: int = 1


def _carries_signs(value: Value, producers: dict[Value, Node]) -> bool:
    """Whether nothing but signs, moved or pooled, and perhaps padding reaches ``value``."""
    while (node := producers.get(value)) is not None:
        if isinstance(node.op, LceDequantize):
            return True
        if not isinstance(node.op, (Movement, Lookup, Reshape, MaxPool2d)):
            return False
        value, *others = node.variable_inputs
        if not all(_carries_signs(v, producers) for v in others):
            return False
    return False


def _signs(value: Value, producers: dict[Value, Node]) -> _Signs:
    """The signs behind ``value``, which carries some, through RESHAPEs and then one PAD of height
    and width."""
    padding, pad_value = NO_PADDING, 1
    node = producers[value]
    if isinstance(node.op, Pad):
        if len(node.op.paddings) != 4 or node.op.value not in (0, 1):
            raise _LeftError(f"its signs are padded with {node.op.value:g}, or not as an image")
        first, rows, columns, last = node.op.paddings
        if any(first) or any(last):
            raise _LeftError("its signs are padded along batches or channels")
        padding, pad_value, value = (rows, columns), int(node.op.value), node.inputs[0]
        node = producers[value]
    shape = value.type.shape
    while isinstance(node.op, Reshape):
        node = producers[node.inputs[0]]
    if not isinstance(node.op, LceDequantize):
        raise _LeftError(f"its signs come through a {type(node.op).__name__}")
    channels = node.output.type.shape[-1]
    if shape[-1] != channels:
        if shape[-1] % channels:
            raise _LeftError(f"its {shape[-1]} inputs are not those of whole {channels} channels")
        shape = (*shape[:-1], shape[-1] // channels, channels)
    return _Signs(node.inputs[0], shape, padding, pad_value)


def _scales(rows: Array) -> Array:
    """The one magnitude of each row of [o, k]; 0 makes the channel a constant."""
    scales: Array = np.abs(rows[:, 0])
    differ = np.any(np.abs(rows) != scales[:, None], axis=1)
    if differ.any():
        raise _LeftError(
            f"the weights of {differ.sum()} of its {len(rows)} output channels are not one "
            "number times signs"
        )
    return scales.astype(np.float32)


@dataclass(frozen=True)
class _Binary:
    """A float layer that can be computed with bits."""

    node: _Layer
    signs: _Signs
    scales: Array

    @classmethod
    def of(cls, node: _Layer | Node[TransposeConv], producers: dict[Value, Node]) -> _Binary | None:
        """None where the layer reads no signs; raises `_LeftError`."""
        weights = node.inputs[1].data
        if not _carries_signs(node.inputs[0], producers):
            return None
        if applies(node, TransposeConv):
            raise _LeftError("a transposed convolution has no form of bits")
        op = node.op
        if weights is None or weights.dtype != np.float32:
            raise _LeftError("its weights are not float32")
        if isinstance(op, DepthwiseConv2d):
            scales = _scales(weights.reshape(-1, weights.shape[3]).T)
            if op.multiplier != 1:
                raise _LeftError(f"its depth multiplier is {op.multiplier}")
        else:
            scales = _scales(weights.reshape(len(weights), -1))
        signs = _signs(node.inputs[0], producers)
        if isinstance(op, FullyConnected):
            if signs.padding != NO_PADDING:
                raise _LeftError("its signs are padded")
        else:
            if len(signs.shape) != 4:
                raise _LeftError("its channels are not those of whole signs")
            if signs.padding != NO_PADDING and op.padding != NO_PADDING:
                raise _LeftError("its signs are padded twice")
            groups = signs.shape[3] // weights.shape[3] if isinstance(op, Conv2d) else 1
            if groups > 1 and weights.shape[3] % WORD:
                raise _LeftError(f"its groups of {weights.shape[3]} channels fill no words")
        return cls(node, signs, scales)

    def nodes(self) -> list[Node]:
        """The binary layer, with the views and the activation around it."""
        node, op, weights = self.node, self.node.op, self.node.inputs[1].array
        if isinstance(op, FullyConnected):
            # Each row of the input is one window, as large as what it is a row of.
            channels = self.signs.shape[-1]
            positions = weights.shape[1] // channels
            rows = node.inputs[0].type.elements // weights.shape[1]
            shape: tuple[int, ...] = (rows, 1, positions, channels)
            weights = weights.reshape(len(weights), 1, positions, channels)
            window = Windowed((1, 1), (1, 1), NO_PADDING)
            pad_value = 1
            out: tuple[int, ...] = (rows, 1, 1, len(weights))
        else:
            shape, out = self.signs.shape, node.output.type.shape
            own = op.padding != NO_PADDING
            padding = op.padding if own else self.signs.padding
            window = Windowed(op.stride, op.dilation, padding)
            pad_value = 0 if own else self.signs.pad_value
        name = node.output.name
        view = (*shape[:-1], words(shape[-1]))
        nodes: list[Node] = []
        packed = self.signs.packed
        if view != packed.type.shape:
            x = Value(f"{name}/signs", TensorType(view, DType.I32), node.origin)
            nodes.append(Node(Reshape(), (packed,), (x,), node.origin))
            packed = x
        kind = BinaryDepthwiseConv2d if isinstance(op, DepthwiseConv2d) else LceBconv2d
        binary = kind(window.stride, window.dilation, window.padding, pad_value, shape[-1])
        bias = node.inputs[2].array
        constants = [
            Value(f"{name}/{suffix}", TensorType(data.shape, dtype), node.origin, data)
            for suffix, dtype, data in (
                ("weights", DType.I32, pack(weights < 0)),
                ("multiplier", DType.F32, self.scales),
                ("bias", DType.F32, bias.reshape(-1)),
            )
        ]
        # Behind the layer: its activation, and a view where it had another rank.
        steps: list[tuple[Op, tuple[int, ...]]] = [(binary, out)]
        if op.activation != "none":
            steps.append((Relu(op.activation), out))
        if out != node.output.type.shape:
            steps.append((Reshape(), node.output.type.shape))
        operands: tuple[Value, ...] = (packed, *constants)
        for i, (step, shape) in enumerate(steps):
            last = i == len(steps) - 1
            y = (
                node.output
                if last
                else Value(f"{name}/{i}", TensorType(shape, DType.F32), node.origin)
            )
            nodes.append(Node(step, operands, (y,), node.origin))
            operands = (y,)
        return nodes


def _early_signs(graph: Graph) -> Graph:
    """Take signs before a RESHAPE instead of after it, where both pack the same bits into the
    same words: what computes its input can then write bits itself."""
    producers = graph.producers()
    nodes: list[Node] = []
    for node in graph.nodes:
        before = producers.get(node.inputs[0]) if isinstance(node.op, LceQuantize) else None
        if before is None or not isinstance(before.op, Reshape) or len(node.inputs) != 1:
            nodes.append(node)
            continue
        x = before.inputs[0]
        last = [v.type.shape[-1] for v in (x, node.inputs[0]) if v.type.shape]
        if len(last) != 2 or any(channels % WORD for channels in last):
            nodes.append(node)
            continue
        bits = TensorType((*x.type.shape[:-1], last[0] // WORD), DType.I32)
        signs = Value(f"{node.output.name}/packed", bits, node.origin)
        nodes.append(Node(LceQuantize(), (x,), (signs,), node.origin))
        nodes.append(Node(Reshape(), (signs,), node.outputs, node.origin))
    return replace(graph, nodes=tuple(nodes))
