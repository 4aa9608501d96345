"""Layers of few levels in a ``.tflite``: their weights stored as those whole numbers.

TensorFlow's converter stores a channel as int8 by the scale max|w| / 127, whatever its weights are.
Weights that are q * s, with small whole numbers q, are stored as q here, by the scale s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import CompileError
from ...ir import Array
from .base import Levels, Work, channel_axes, kernel, kernel_layers

BYTE_MOST = 127
NEAR = 1e-3
"""How far from a whole number a float32 weight over its scale may lie."""


@dataclass(frozen=True)
class _Stored:
    """weights, bias: a file's tensors, the bias None where there is none; depthwise: whether
    output channels are the last axis rather than the first."""

    weights: Any
    bias: Any
    depthwise: bool


def most(levels: Levels) -> int:
    """The largest magnitude of a layer's numbers."""
    return max(1, (1 << levels.bits - 1) - 1)


def numbers(weights: Array, levels: Levels) -> Array:
    """int64 of the shape of ``weights``, float [channels, n]: the smallest whole numbers of which
    each channel is a multiple. Raises ValueError where it is none of ``levels``."""
    top = np.abs(weights).max(1, keepdims=True)
    found = np.zeros(weights.shape)
    open_ = np.ones(len(weights), bool)
    for largest in range(1, most(levels) + 1):
        q = np.divide(weights * largest, top, out=np.zeros(weights.shape), where=top > 0)
        fits = open_ & (np.abs(q - np.round(q)).max(1) < NEAR)
        found[fits] = np.round(q[fits])
        open_ &= ~fits
    if open_.any() or (levels.bits == 1 and (found == 0).any()):
        raise ValueError(f"weights are no levels of {levels.bits} bits")
    return found.astype(np.int64)


def with_levels(content: bytes, work: Work) -> bytes:
    """A file of the work's model, int8 by channel, with the layers of ``work.levels`` stored as
    their numbers, each of the channel's own scale, and biases in the units that follow.

    The converter may have folded a factor of each output channel into the weights, as that of a
    batch normalization, also a negative one. Raises CompileError E361 where a layer's weights are
    not of its levels any more, or the file has them in another way.
    """
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    layers = kernel_layers(work.model)
    stored = list(_stored(model))
    done: set[int] = set()
    for name, levels in work.levels.items():
        hint = "put the technique that made its levels last"
        if name not in layers:
            raise CompileError("E361", name, "is gone, which had few levels", hint)
        try:
            wanted = numbers(_channels(layers[name]), levels)
        except ValueError as error:
            raise CompileError("E361", name, f"its {error} any more", hint) from None
        found = [s for s in stored if _holds(_rows(model, s), wanted)]
        if not found:
            what = "the converter changed its weights by more than a factor of each channel"
            raise CompileError("E361", name, what, "leave the layer at 8 bits")
        for one in found:
            if id(one.weights) not in done:
                done.add(id(one.weights))
                _rewrite(model, one, wanted)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _channels(layer: Any) -> Array:
    """A layer's kernel as [channels, n], in the order in which files hold a channel."""
    weights = np.asarray(kernel(layer))
    axes = channel_axes(layer)
    others = [axis for axis in range(weights.ndim) if axis not in axes]
    count = int(np.prod([weights.shape[axis] for axis in axes]))
    return weights.transpose(*axes, *others).reshape(count, -1).astype(np.float64)


def _stored(model: Any) -> Iterator[_Stored]:
    """The weights of a file's convolutions and dense layers."""
    from tensorflow.lite.python import schema_py_generated as schema

    kinds = schema.BuiltinOperator
    depthwise = kinds.DEPTHWISE_CONV_2D
    taken = (kinds.CONV_2D, depthwise, kinds.FULLY_CONNECTED)
    graph = model.subgraphs[0]
    for op in graph.operators:
        kind = model.operatorCodes[op.opcodeIndex].builtinCode
        if kind not in taken:
            continue
        weights = graph.tensors[op.inputs[1]]
        if weights.type != schema.TensorType.INT8 or model.buffers[weights.buffer].data is None:
            continue
        bias = op.inputs[2] if len(op.inputs) > 2 else -1
        yield _Stored(weights, graph.tensors[bias] if bias >= 0 else None, kind == depthwise)


def _rows(model: Any, stored: _Stored) -> Array:
    """int8 [channels, n]."""
    data = np.asarray(model.buffers[stored.weights.buffer].data, np.uint8).view(np.int8)
    if stored.depthwise:
        return data.reshape(-1, stored.weights.shape[-1]).T
    return data.reshape(stored.weights.shape[0], -1)


def _holds(found: Array, wanted: Array) -> bool:
    """Whether each channel of a file, int8 of its largest magnitude, is ``wanted`` times a factor,
    or nothing."""
    if found.shape != wanted.shape:
        return False
    largest = np.abs(wanted).max(1, keepdims=True, initial=1)
    byte = wanted * BYTE_MOST / largest
    near = [np.abs(found - sign * byte).max(1) <= 1 for sign in (1, -1)]
    return bool(np.all(near[0] | near[1] | ~found.any(1)))


def _rewrite(model: Any, stored: _Stored, wanted: Array) -> None:
    """Store ``wanted``, of a channel that the file has negated its negative, by its scales."""
    from tensorflow.lite.python import schema_py_generated as schema

    found = _rows(model, stored)
    turned = (found * wanted).sum(1, keepdims=True)
    q = (wanted * np.sign(turned)).astype(np.int8)
    scales = stored.weights.quantization
    before = np.asarray(scales.scale, np.float64)
    largest = np.abs(q).max(1)
    after = before * np.where(largest > 0, BYTE_MOST / np.maximum(largest, 1), 1)
    scales.scale = after.astype(np.float32)
    data = q.T if stored.depthwise else q
    _store(model, stored.weights, data)
    if stored.bias is None or stored.bias.quantization is None:
        return
    bias = stored.bias.quantization
    kind = np.int32 if stored.bias.type == schema.TensorType.INT32 else np.int64
    held = np.asarray(model.buffers[stored.bias.buffer].data, np.uint8).view(kind)
    ratio = before / after
    bias.scale = (np.asarray(bias.scale, np.float64) / ratio).astype(np.float32)
    _store(model, stored.bias, np.round(held * ratio).astype(kind))


def _store(model: Any, tensor: Any, data: Array) -> None:
    """Give a tensor data of its own: the converter lets equal ones share theirs."""
    from tensorflow.lite.python import schema_py_generated as schema

    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
    old, tensor.buffer = tensor.buffer, len(model.buffers)
    model.buffers.append(buffer)
    graphs = model.subgraphs
    if not any(other.buffer == old for graph in graphs for other in graph.tensors):
        model.buffers[old].data = None
