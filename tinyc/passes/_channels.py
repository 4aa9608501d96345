"""Functions of one channel's number: what stands between a sum and its sign, evaluated whole.

A binary convolution's sum, and an int8 number, take few values. Where a chain of operators
maps each channel on its own, the chain is known from what the operators' own references make
of those values, with every rounding in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..ir import Array, Node, Value
from ..ops.add import Add
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.dequantize import Dequantize
from ..ops.hard_swish import HardSwish
from ..ops.leaky_relu import LeakyRelu
from ..ops.logistic import Logistic
from ..ops.mul import Mul
from ..ops.prelu import Prelu
from ..ops.quantize import Quantize
from ..ops.relu import Relu
from ..ops.tanh import Tanh

_UNARY = (Relu, LeakyRelu, HardSwish, Logistic, Tanh, Quantize, Dequantize)
_BINARY = (Add, Mul, Prelu)  # Sub is an Add


def maps_channels(node: Node) -> bool:
    """Whether each channel (of the last axis) of the output depends on nothing but the same
    element of the node's only variable input."""
    op = node.op
    if len(node.variable_inputs) != 1 or len(node.outputs) != 1:
        return False
    x = node.variable_inputs[0].type
    if isinstance(op, _UNARY):
        return True
    if isinstance(op, _BINARY):
        constants = [v.type for v in node.inputs if v.constant]
        return node.output.type.shape == x.shape and all(
            t.elements == (t.shape[-1] if t.shape else 1) for t in constants
        )
    if isinstance(op, DepthwiseConv2d):
        return node.inputs[0].type.shape == node.output.type.shape and (
            node.inputs[1].type.shape[:3] == (1, 1, 1)
        )
    return False


def evaluate(chain: Sequence[Node], numbers: Array) -> Array:
    """Apply ``chain`` (of nodes that `maps_channels`, each reading the one before) to numbers
    [n, channels] of the type of the first one's input."""
    for node in chain:
        shape = (1, 1, *numbers.shape)
        inputs = tuple(v if v.constant else _as(v, shape) for v in node.inputs)
        like = replace(node, inputs=inputs, outputs=(_as(node.output, shape),))
        arrays = [numbers.reshape(shape) if v.data is None else v.data for v in node.inputs]
        (result,) = like.op.evaluate(like, *arrays)
        numbers = result.reshape(numbers.shape)
    return numbers


def _as(value: Value, shape: tuple[int, ...]) -> Value:
    return replace(value, type=replace(value.type, shape=shape))


def step(bits: Array) -> Array | None:
    """For bits [n, channels]: how many leading rows of each channel have its first row's bit
    (n where all have); None if a channel changes more than once."""
    changes = bits[1:] != bits[:-1]
    if np.any(changes.sum(0) > 1):
        return None
    return np.where(changes.any(0), changes.argmax(0) + 1, len(bits))
