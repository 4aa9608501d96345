"""Layers of a dynamic-range quantized model: float32 activations, int8 weights.

Each batch of the input (each row of a dense layer) becomes int8 of its own range at run time;
sums are integers, and scales, bias and activation float32 (EvalHybrid and EvalHybridPerChannel of
tensorflow/lite/kernels/{fully_connected,conv,depthwise_conv}.cc; the numbers of
SymmetricQuantizeFloats and AsymmetricQuantizeFloats of
kernels/internal/reference/portable_tensor_utils.cc).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Generic, Self

import numpy as np
from typing_extensions import TypeVar

from ..ir import Array, DType, Node, Op, Quant, TensorType, Value
from ._conv import clamp_output, exact_matmul
from ._mixins import Weighted
from .base import REQUANTIZE, expect_arity, expect_dtype, expect_quant, fail

LayerT = TypeVar("LayerT", bound=Weighted)
LayerT_co = TypeVar("LayerT_co", bound=Weighted, covariant=True, default=Weighted)


@dataclass(frozen=True)
class Hybrid(Op, Generic[LayerT_co]):
    """Inputs: x float32, constant weights int8 (symmetric, per tensor or per output channel),
    constant bias float32; output float32; shapes as ``layer`` has them.

    asymmetric: what the file asks for; a convolution decides by its weights instead.
    """

    layer: LayerT_co
    asymmetric: bool

    always_asymmetric: ClassVar[bool] = False

    def check(self, node: Node[Self]) -> None:
        expect_arity(node, 3)
        weights = node.inputs[1]
        if weights.type.dtype is not DType.I8 or not weights.constant:
            raise fail(node, "its weights are no int8 constant", REQUANTIZE, "E303")
        expect_quant(node, weights.type, "weights", per_channel=True)
        axis, quant = self.layer.weight_axis, weights.type.quant
        assert quant is not None
        if quant.per_channel and quant.axis != axis:
            what = f"its weights are quantized along axis {quant.axis}, not {axis}"
            raise fail(node, what, REQUANTIZE, "E304")
        if any(quant.zero_point):
            raise fail(node, "its weights have a zero point", REQUANTIZE, "E304")
        blank = np.broadcast_to(np.float32(0), weights.type.shape)
        self.layer.check(_float_node(node, blank))

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        x, weights, bias = inputs
        whole, scale, zero = quantize_rows(x.reshape(batches(node), -1), asymmetric(node))
        centred = (whole - zero[:, None]).astype(np.int16).reshape(x.shape)
        sums = self.layer.sums(plain(node), centred, weights, 0)
        real = sums.reshape(batches(node), -1, sums.shape[-1]).astype(np.float32)
        scales, rows = channel_scales(node), scale[:, None, None]
        scaled = real * scales * rows if scales_first(node) else real * (rows * scales)
        y = clamp_output(plain(node), scaled + bias.ravel())
        return (y.reshape(node.output.type.shape),)

    def macs(self, node: Node[Self]) -> int:
        return self.layer.macs(plain(node))


def dequantized(node: Node[Hybrid[LayerT]]) -> Node[LayerT]:
    """The layer of a `Hybrid` node with its weights as float32."""
    weights = node.inputs[1]
    scales = channel_scales(node)
    if scales.size > 1:
        shape = [1] * weights.array.ndim
        shape[node.op.layer.weight_axis] = -1
        scales = scales.reshape(shape)
    return _float_node(node, weights.array.astype(np.float32) * scales)


def plain(node: Node[Hybrid[LayerT]]) -> Node[LayerT]:
    """The node as its layer's own functions know it."""
    return Node(node.op.layer, node.inputs, node.outputs, node.origin)


def _float_node(node: Node[Hybrid[LayerT]], data: Array) -> Node[LayerT]:
    weights = node.inputs[1]
    kind = TensorType(weights.type.shape, DType.F32)
    changed = replace(weights, type=kind, data=data)
    return replace(plain(node), inputs=(node.inputs[0], changed, node.inputs[2]))


# The numbers ------------------------------------------------------------------------------


def batches(node: Node) -> int:
    """Into how many parts, each of its own range, the input falls."""
    x, weights = (v.type for v in node.inputs[:2])
    return x.shape[0] if len(weights.shape) == 4 else x.elements // weights.shape[1]


def channel_scales(node: Node) -> Array:
    """The scales of the weights, float32: one, or one for each output channel."""
    quant = node.inputs[1].type.quant
    assert quant is not None
    return np.array(quant.scale, np.float32)


def scales_first(node: Node[Hybrid]) -> bool:
    """Whether a sum is multiplied by its channel's scale, then by the input's, and not by their
    product: so does LiteRT in a convolution whose channels have scales of their own."""
    convolution = len(node.inputs[1].type.shape) == 4 and not node.op.always_asymmetric
    return convolution and channel_scales(node).size > 1


def asymmetric(node: Node[Hybrid]) -> bool:
    """Whether the input has a zero point: a dense layer's if the file asks for it, a
    convolution's if its channels have scales of their own, a depthwise or transposed
    one's always."""
    weights = node.inputs[1].type
    if len(weights.shape) == 2:
        return node.op.asymmetric
    return node.op.always_asymmetric or channel_scales(node).size > 1


def quantize_rows(x: Array, asymmetric: bool) -> tuple[Array, Array, Array]:
    """Rows [n, size] of float32 as (int64 in -128 .. 127, scale [n] float32, zero point [n])."""
    one, top = np.float32(1), np.float32(127)
    # What is no number is passed over, as in C.
    least, most = np.fmin.reduce(x, 1, initial=0), np.fmax.reduce(x, 1, initial=0)
    if not asymmetric:
        span = np.maximum(-least, most)
        empty = span == 0
        span = np.where(empty, one, span)
        scale, inverse = span / top, top / span
        zero, low = np.zeros(len(x), np.int64), -127
        real = x * inverse[:, None]
    else:
        # The span is float32's difference of the two, all that follows double's.
        empty = least == most
        wide = np.where(empty, 1.0, (most - least).astype(np.float64) / 255)
        below, above = least / wide, most / wide
        place = np.where(128 - below < 127 + above, -128 - below, 127 - above)
        inside = (place > -128) & (place < 127)
        nearest = np.trunc(place + np.copysign(0.5, place))
        zero = np.where(inside, nearest, np.where(place >= 127, 127, -128)).astype(np.int64)
        scale, low = wide.astype(np.float32), -128
        real = zero.astype(np.float32)[:, None] + x * (one / scale)[:, None]
    real = np.nan_to_num(np.clip(real, -(2.0**20), 2.0**20)).astype(np.float64)
    whole = np.clip(np.trunc(real + np.copysign(0.5, real)), low, 127).astype(np.int64)
    return (
        np.where(empty[:, None], 0, whole),
        np.where(empty, one, scale),
        np.where(empty, 0, zero),
    )


# Cells --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HybridRows(Op):
    """A mixin of operators of float32 that multiply rows by matrices: these are constant int8,
    symmetric, with one scale each, and each row becomes int8 of its own range
    (MatrixBatchVectorMultiplyAccumulate of kernels/internal/reference/portable_tensor_utils.cc).

    asymmetric: whether a row has a zero point.
    """

    asymmetric: bool = False

    weight_dtype: ClassVar[DType | None] = DType.I8

    def check(self, node: Node[Self]) -> None:
        expect_dtype(node, node.inputs[0].type, (DType.F32,), "input")
        super().check(node)
        for value in node.inputs[1:]:
            if value.type.dtype is DType.I8:
                expect_quant(node, value.type, "weights")
                if value.type.zero_point:
                    raise fail(node, "its weights have a zero point", REQUANTIZE, "E304")

    def product(self, rows: Array, matrix: Value) -> Array:
        """float32 [n, channels] of rows [n, size] and int8 [channels, size]."""
        whole, scale, zero = quantize_rows(rows, self.asymmetric)
        sums = exact_matmul(whole - zero[:, None], matrix.array.T)
        scales = scale * np.float32(matrix.type.scale)
        return np.asarray(sums.astype(np.float32) * scales[:, None])


def narrow_weights(rng: np.random.Generator, value: Value) -> Value:
    """A random int8 matrix in the place of a float32 one."""
    shape = value.type.shape
    data = rng.integers(-127, 127, shape, endpoint=True).astype(np.int8)
    scale = float(np.float32(rng.choice([0.002, 0.01])))
    return replace(value, type=TensorType(shape, DType.I8, Quant((scale,), (0,))), data=data)


HybridT = TypeVar("HybridT", bound=Hybrid)


# Cases ------------------------------------------------------------------------------------


def hybrid_cases(
    cls: type[HybridT], nodes: Iterable[Node[Weighted]], rng: np.random.Generator
) -> Iterator[Node[HybridT]]:
    """Each float32 node of the layer's cases, with weights per tensor and per channel."""
    for node in nodes:
        if node.inputs[0].type.dtype is not DType.F32:
            continue
        x, weights, bias = node.inputs
        axis = node.op.weight_axis
        shape = weights.type.shape
        for count in {1, shape[axis]}:
            scales = tuple(map(float, rng.uniform(1e-3, 0.1, count).astype(np.float32)))
            quant = Quant(scales, (0,) * count, axis if count > 1 else 0)
            data = rng.integers(-127, 127, shape, endpoint=True).astype(np.int8)
            whole = replace(weights, type=TensorType(shape, DType.I8, quant), data=data)
            op = cls(node.op, bool(rng.integers(2)))
            inputs = (replace(x), whole, bias)
            yield Node(op, inputs, (replace(node.output),), node.origin)
