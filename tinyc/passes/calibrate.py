"""Give a float network int8 numbers, by the ranges that sample data reach.

The result is a graph of its own, close to the float one but not equal to it, and it is what a
firmware is then compared with. Scales and zero points are those that TensorFlow Lite's
converter would choose: weights symmetric for each output channel, everything else per tensor
over the range seen, which is stretched to hold 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import CompileError
from ..ir import DType, Graph, Node, Quant, TensorType, Value, interpret, verify
from ..op import Op
from ..ops._move import Movement
from ..ops._pool import Pool
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.dequantize import Dequantize
from ..ops.fully_connected import FullyConnected
from ..ops.lce_bconv2d import LceBconv2d
from ..ops.lce_dequantize import LceDequantize
from ..ops.logistic import Logistic
from ..ops.maximum_minimum import Maximum
from ..ops.pad import Pad
from ..ops.quantize import Quantize
from ..ops.reduce import ReduceMax
from ..ops.relu import Relu
from ..ops.softmax import Softmax
from ..ops.tanh import Tanh

_WEIGHTED = {Conv2d: 0, DepthwiseConv2d: 3, FullyConnected: 0}
"""Operators of (x, weights, bias), and the axis of their output channels in the weights."""

_FIXED: dict[type[Op], Quant] = {
    Softmax: Quant((1 / 256,), (-128,)),
    Logistic: Quant((1 / 256,), (-128,)),
    Tanh: Quant((1 / 128,), (0,)),
    LceDequantize: Quant((float(np.float32(1 / 127)),), (0,)),
}
"""Outputs whose range the operator itself fixes."""

_KEEPS = (Movement, Pool, Maximum, ReduceMax)
"""Operators whose output is quantized as their input, as are all views."""


def calibrate(graph: Graph, samples: Iterable[Sequence[np.ndarray]]) -> Graph:
    """``graph`` with int8 in the place of float32, its inputs and outputs included.

    samples: inputs of the graph as `tinyc.ir.interpret` takes them, at least one. Raises
    CompileError E308 for an operator that has no int8 form.
    """
    ranges = _ranges(graph, samples)
    graph = _absorb_relu(graph, ranges)
    quants = _quants(graph, ranges)
    values: dict[Value, Value] = {}

    def narrow(value: Value) -> Value:
        """The int8 value in the place of a float32 one that is no weight."""
        if value.type.dtype is not DType.F32:
            return value
        if value not in values:
            data, quant = value.data, quants.get(value)
            if data is not None:
                quant = quant_of(min(0.0, float(data.min())), max(0.0, float(data.max())))
                data = _rounded(data, quant)
            values[value] = replace(
                value, type=TensorType(value.type.shape, DType.I8, quant), data=data
            )
        return values[value]

    nodes = tuple(_narrow(node, narrow) for node in graph.nodes)
    inputs, outputs = (tuple(map(narrow, v)) for v in (graph.inputs, graph.outputs))
    return verify(replace(graph, nodes=nodes, inputs=inputs, outputs=outputs))


def float_nodes(graph: Graph) -> list[Node]:
    """The nodes that compute with float32."""
    return [
        n
        for n in graph.nodes
        if any(v.type.dtype is DType.F32 for v in (*n.variable_inputs, *n.outputs))
    ]


def _ranges(
    graph: Graph, samples: Iterable[Sequence[np.ndarray]]
) -> dict[Value, tuple[float, float]]:
    """(least, greatest) number of each float32 value over the samples, 0 among them."""
    ranges: dict[Value, tuple[float, float]] = {}
    for arrays in samples:
        for value, array in interpret(graph, arrays).items():
            if value.type.dtype is DType.F32:
                low, high = ranges.get(value, (0.0, 0.0))
                ranges[value] = min(low, float(array.min())), max(high, float(array.max()))
    for value, (low, high) in ranges.items():
        if not np.isfinite(low) or not np.isfinite(high):
            raise CompileError(
                "E308", value.origin, f"'{value.name}' becomes infinite or NaN on the samples",
                "check the calibration data: are they scaled as in training?",
            )  # fmt: skip
    return ranges


def quant_of(low: float, high: float) -> Quant:
    """Scale and zero point of int8 for numbers in [low, high], low <= 0 <= high."""
    if high == low:
        return Quant((1.0,), (0,))
    scale = float(np.float32(max((high - low) / 255, 2.0**-40)))
    return Quant((scale,), (int(np.clip(round(-128 - low / scale), -128, 127)),))


def _absorb_relu(graph: Graph, ranges: dict[Value, tuple[float, float]]) -> Graph:
    """Drop each RELU and RELU6 behind a value that only it reads, and give that value the range
    of its output: it starts at 0, where whatever computes the value then saturates."""
    uses, producers = graph.uses(), graph.producers()
    mapping: dict[Value, Value] = {}
    dropped: list[Node] = []
    for node in graph.nodes:
        x = node.inputs[0] if node.inputs else None
        before = producers.get(x) if x is not None else None
        if (
            isinstance(node.op, Relu)
            and node.op.activation in ("relu", "relu6")
            and before is not None
            and not isinstance(before.op, (*_KEEPS, Relu))
            and not before.op.view
            and type(before.op) not in _FIXED
            and uses[x] == [node]
            and not {x, node.output} & set(graph.outputs)
        ):
            dropped.append(node)
            mapping[node.output] = x
            ranges[x] = ranges[node.output]
    return graph.substitute(mapping, dropped)


def _quants(graph: Graph, ranges: dict[Value, tuple[float, float]]) -> dict[Value, Quant]:
    """The quantization of each value in ``ranges``: one for all that an operator keeps equal."""
    heads: dict[Value, Value] = {}

    def head(value: Value) -> Value:
        while value in heads:
            value = heads[value]
        return value

    for node in graph.nodes:
        if node.op.view or isinstance(node.op, _KEEPS):
            known = [v for v in (*node.inputs, *node.outputs) if v in ranges]
            for other in known[1:]:
                if head(other) is not head(known[0]):
                    heads[head(other)] = head(known[0])
    joint: dict[Value, tuple[float, float]] = {}
    for value, (low, high) in ranges.items():
        least, most = joint.get(head(value), (0.0, 0.0))
        joint[head(value)] = min(least, low), max(most, high)
    fixed = {v: _FIXED[type(n.op)] for n in graph.nodes for v in n.outputs if type(n.op) in _FIXED}
    quants = {value: fixed.get(head(value)) or quant_of(*joint[head(value)]) for value in ranges}
    return quants | fixed


def _narrow(node: Node, narrow: Callable[[Value], Value]) -> Node:
    """``node`` on int8 values. Raises CompileError E308 where its rule does not allow that."""
    op, inputs = node.op, node.inputs
    outputs = tuple(map(narrow, node.outputs))
    axis = _WEIGHTED.get(type(op))
    if axis is not None and node.output.type.dtype is DType.F32:
        inputs = (narrow(inputs[0]), *_weights(narrow(inputs[0]), *inputs[1:], axis))
    elif isinstance(op, LceBconv2d):
        pass  # what follows its sums stays float32: no float reaches the C code
    else:
        inputs = tuple(map(narrow, inputs))
    if isinstance(op, Dequantize):
        op = Quantize()
    elif isinstance(op, Pad) and node.output.type.dtype is DType.F32:
        quant = outputs[0].type.quant
        assert quant is not None
        op = replace(op, value=int(_rounded(np.float32(op.value), quant)))
    changed = replace(node, op=op, inputs=inputs, outputs=outputs)
    try:
        op.check(changed)
    except CompileError as error:
        raise CompileError(
            "E308", node.origin, f"has no int8 form: {error.what}",
            "use another layer, or keep float32 with --float-glue",
        ) from None  # fmt: skip
    return changed


def _rounded(real: np.ndarray, quant: Quant) -> np.ndarray:
    """Real numbers as int8 of a quantization, halves to even."""
    whole = np.round(np.asarray(real, np.float64) / quant.scale[0]) + quant.zero_point[0]
    return np.asarray(np.clip(whole, -128, 127).astype(np.int8))


def _weights(x: Value, weights: Value, bias: Value, axis: int) -> tuple[Value, Value]:
    """int8 weights, symmetric for each output channel, and the int32 bias that goes with them
    and with the scale of ``x``."""
    assert weights.data is not None and bias.data is not None
    data = np.moveaxis(weights.data.astype(np.float64), axis, -1)
    magnitude = np.abs(data).reshape(-1, data.shape[-1]).max(0)
    # a bias that dwarfs its channel's weights must still fit 30 bits
    floor = np.abs(bias.data.ravel()) * 127 / (x.type.scale * (1 << 30))
    scales = np.maximum(np.maximum(magnitude, floor) / 127, 2.0**-100).astype(np.float32)
    whole = np.clip(np.round(data / scales), -127, 127).astype(np.int8)
    quant = Quant(tuple(map(float, scales)), (0,) * len(scales), axis if len(scales) > 1 else 0)
    terms = np.round(bias.data.ravel() / (scales.astype(np.float64) * x.type.scale))
    shape = weights.type.shape
    return (
        replace(
            weights,
            type=TensorType(shape, DType.I8, quant),
            data=np.ascontiguousarray(np.moveaxis(whole, -1, axis)),
        ),
        replace(
            bias,
            type=TensorType(bias.type.shape, DType.I32),
            data=terms.astype(np.int32).reshape(bias.type.shape),
        ),
    )
