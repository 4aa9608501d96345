"""What convolutions, dense layers and pooling share: checks of windows and operands, the sums and
last steps of the reference, and cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..ir import Array, DType, Node, OpT, Quant, TensorType, Value
from ..ir.quant import (
    activation_range,
    exact_multiplier,
    float_activation_range,
    multiply_double_rounding,
    multiply_float,
    multiply_reduced,
    multiply_single_rounding,
    quantize_multiplier,
    quantize_multipliers,
)
from ._mixins import Activated, Padding, Pair, Weighted, Windowed
from .base import CONVERT_AGAIN, REQUANTIZE, expect_dtype, expect_quant, expect_ratio, fail

NO_PADDING = ((0, 0), (0, 0))
LARGEST_INDEX = 1 << 30
"""Coordinates of a window, padding included, stay under this, so that int32 holds them."""


def out_size(size: int, kernel: int, stride: int, dilation: int, padding: Pair) -> int:
    """Output extent along one axis; at most 0 where the filter does not fit."""
    return (size + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1


def out_sizes(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, dilation: Pair, padding: Padding
) -> Pair:
    """(height, width) of the output for an input of ``shape`` [n, h, w, c]."""
    height, width = map(out_size, shape[1:3], kernel, stride, dilation, padding)
    return height, width


def check_window(node: Node[Windowed], kernel: Pair) -> Pair:
    """(height, width) of the output of a window over [n, h, w, c], all of it representable."""
    shape, op = node.inputs[0].type.shape, node.op
    stride, dilation, padding = op.stride, op.dilation, op.padding
    positive = min(*kernel, *stride, *dilation) >= 1 and min(*padding[0], *padding[1]) >= 0
    if not positive:
        raise fail(node, "has a kernel, stride, dilation or padding out of range", CONVERT_AGAIN)
    for size, k, s, d, pad in zip(shape[1:3], kernel, stride, dilation, padding, strict=True):
        if size + sum(pad) + k * d + s >= LARGEST_INDEX:
            raise fail(node, "its window reaches beyond 2^30 pixels", CONVERT_AGAIN)
    height, width = out_sizes(shape, kernel, stride, dilation, padding)
    if min(height, width) < 1:
        raise fail(
            node,
            f"its window {kernel[0]}x{kernel[1]} is larger than its padded input",
            "pad the input or use a smaller kernel",
        )
    return height, width


def windows(x: Array, node: Node[Windowed], kernel: Pair, fill: float) -> Array:
    """[n, h, w, c] -> [n, out_h, out_w, kernel_h, kernel_w, c] of the node's stride, dilation
    and padding; what lies outside of the image is ``fill``."""
    op = node.op

    def taps(axis: int) -> tuple[Array, Array]:
        starts = np.arange(node.output.type.shape[1 + axis]) * op.stride[axis] - op.padding[axis][0]
        at = starts[:, None] + np.arange(kernel[axis]) * op.dilation[axis]
        size = x.shape[1 + axis]
        return np.clip(at, 0, size - 1), (at >= 0) & (at < size)

    (rows, row_inside), (columns, column_inside) = taps(0), taps(1)
    patches = x[:, rows[:, None, :, None], columns[None, :, None, :]]
    inside = row_inside[:, None, :, None] & column_inside[None, :, None, :]
    return patches if inside.all() else np.where(inside[..., None], patches, x.dtype.type(fill))


_BIASES = {DType.I8: (DType.I32,), DType.F32: (DType.F32,)}


def check_operands(
    node: Node[Weighted],
    channels: int,
    axis: int,
    depth: int,
    biases: tuple[DType, ...] = (DType.I64, DType.I32),
) -> None:
    """dtypes and quantization of (x, weights, bias) -> output: all int8, all float32, or int16
    with int8 weights.

    channels: of the output, along ``axis`` of the weights; depth: products in each sum, which
    must fit 32 bits if they are int8; biases: what int16 layers may have. Weights are symmetric,
    as TFLite's kernels demand, unless the layer was one of uint8 or of ONNX (see `Weighted`).
    """
    x, weights, bias = (v.type for v in node.inputs)
    expect_dtype(node, x, (DType.I8, DType.I16, DType.F32), "input")
    expect_dtype(node, weights, (DType.F32 if x.dtype is DType.F32 else DType.I8,), "weights")
    expect_dtype(node, node.output.type, (x.dtype,), "output")
    expect_dtype(node, bias, biases if x.dtype is DType.I16 else _BIASES[x.dtype], "bias")
    if bias.elements != channels:
        raise fail(node, f"bias has {bias.elements} elements, not {channels}", CONVERT_AGAIN)
    for value, name in zip(node.inputs[1:], ("weights are", "bias is"), strict=True):
        if not value.constant:
            raise fail(
                node, f"its {name} computed at run time",
                "make them constant; a product of two activations is tf.matmul of rank 3", "E305",
            )  # fmt: skip
    if x.dtype is DType.F32:
        return
    expect_quant(node, x, "input")
    expect_quant(node, node.output.type, "output")
    expect_quant(node, weights, "weights", per_channel=True)
    assert weights.quant is not None
    if weights.quant.per_channel and (
        weights.quant.axis != axis or len(weights.quant.scale) != channels
    ):
        raise fail(
            node,
            f"its weights are quantized along axis {weights.quant.axis}, not {axis}, that of the "
            f"output channels",
            REQUANTIZE,
            "E304",
        )
    if node.op.unsigned and weights.quant.per_channel:
        raise fail(node, "its uint8 weights are quantized per channel", REQUANTIZE, "E304")
    zeros = set(weights.quant.zero_point)
    if zeros != {0} and not (node.op.unsigned or (node.op.float_scaled and len(zeros) == 1)):
        one = "quantize them symmetrically, or with one zero point" if node.op.float_scaled else ""
        raise fail(node, "its weights have a zero point", one or REQUANTIZE, "E304")
    if bias.quant is not None and any(bias.quant.zero_point):
        raise fail(node, "its bias has a zero point", "quantize the bias symmetrically", "E304")
    if x.dtype is DType.I16:
        return
    if depth * 255 * (128 if zeros == {0} else 255) >= 1 << 31:
        raise fail(node, f"sums {depth} products, more than 32 bits hold", "split the layer")
    _expect_ratios(node, axis)
    if node.op.float_scaled:
        expect_float_scale(node, float_scales(node).max())
    expect_activation(node)


def weight_zero(node: Node) -> int:
    """The zero point of the weights: that of layers of uint8, 0 of all others."""
    quant = node.inputs[1].type.quant
    return quant.zero_point[0] if quant else 0


def centred_weights(node: Node, data: Array | None = None) -> Array:
    """The weights, or ``data`` in their place, less their zero point."""
    data = node.inputs[1].data if data is None else data
    assert data is not None
    zero = weight_zero(node)
    return data.astype(np.int16) - np.int16(zero) if zero else data


def _expect_ratios(node: Node[Weighted], axis: int) -> None:
    """`expect_ratio` of the channels, along ``axis`` of the weights, whose sums are scaled up."""
    reals = np.array(real_multipliers(node))
    if reals.max() < 1:
        return
    weights, bias = centred_weights(node), node.inputs[2].array
    rest = tuple(a for a in range(weights.ndim) if a != axis)
    sums = 255 * np.abs(weights.astype(np.int64)).sum(rest) + np.abs(bias.astype(np.int64).ravel())
    worst = int(np.argmax(np.where(reals < 1, 0, sums * reals)))
    expect_ratio(node, int(sums[worst]), float(reals[worst]))


def expect_float_scale(node: Node, scale: np.float32) -> None:
    """What a product that is rounded twice is computed of without floats: tinyc_float_scale.h."""
    if not scale < 128:
        raise fail(
            node, f"rescales its sums by {scale:.6g}", "quantize the model with real data", "E304"
        )


def expect_activation(node: Node[Activated]) -> None:
    """The bounds of the fused activation must be numbers of the int8 output's scale; int32 has
    none."""
    if node.output.type.dtype is DType.I32 and node.op.activation != "none":
        raise fail(node, f"fused activation {node.op.activation} of int32", "use a separate layer")
    if node.output.type.dtype is DType.I8 and node.op.activation in ("relu6", "relu_n1_to_1"):
        expect_ratio(node, 6, 1 / node.output.type.scale)


def filter_rows(node: Node) -> Array:
    """Weights [channels, ...] as [channels, depth]."""
    weights = node.inputs[1].array
    return weights.reshape(len(weights), -1)


def real_multipliers(node: Node[Weighted]) -> list[float]:
    """input_scale * filter_scale[c] / output_scale of each output channel, in double
    (PopulateConvolutionQuantizationParams); of those of uint8 the product is in
    float32 (GetQuantizedConvolutionMultipler)."""
    x, weights, bias = node.inputs[:3]
    assert weights.type.quant is not None
    scales = weights.type.quant.scale
    if node.op.float_scaled:
        return [float(s) for s in float_scales(node)]
    if node.op.unsigned and not node.op.rounds_once:
        product = float(np.float32(x.type.scale) * np.float32(scales[0]))
        return [product / node.output.type.scale] * bias.type.elements
    scales = scales if len(scales) > 1 else scales * bias.type.elements
    return [x.type.scale * s / node.output.type.scale for s in scales]


def float_scales(node: Node[Weighted]) -> Array:
    """`real_multipliers` of a layer that is `Weighted.float_scaled`: in float32, from the left to
    the right (ComputeOutputScale of QLinearConv and QGemm)."""
    x, weights, bias = node.inputs[:3]
    assert weights.type.quant is not None
    scales = np.float32(x.type.scale) * np.array(weights.type.quant.scale, np.float32)
    return np.broadcast_to(scales / np.float32(node.output.type.scale), bias.type.elements)


def channel_multipliers(node: Node[Weighted]) -> tuple[Array, Array]:
    """(multipliers, shifts) of `real_multipliers`, int32, for how the operator rounds."""
    once = node.op.rounds_once
    return quantize_multipliers(
        real_multipliers(node), exact_multiplier if once else quantize_multiplier
    )


# Reference --------------------------------------------------------------------------------


def exact_matmul(a: Array, b: Array) -> Array:
    """Integer product through float64, whose 53 bits hold any sum of these sizes exactly."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def ordered_matmul(a: Array, b: Array) -> Array:
    """float32 product whose sums are added in the order of the inner axis, as in the C loops."""
    acc = np.zeros((*a.shape[:-1], b.shape[-1]), np.float32)
    for k in range(b.shape[0]):
        acc += a[..., k, None] * b[k]
    return acc


def matmul(a: Array, b: Array, zero: int) -> Array:
    """[..., k] minus its zero point, times [k, n]: exact for int8, in order for float32."""
    if a.dtype == np.float32:
        return ordered_matmul(a, b)
    return exact_matmul(a.astype(np.int32) - zero, b)


def finish(node: Node[Weighted], acc: Array) -> Array:
    """Sums [..., channels] -> the output: bias, rescaling, zero point, clamp
    (reference_integer_ops::ConvPerChannel, of which one has 64-bit sums and biases); for floats
    bias and clamp."""
    bias = node.inputs[2].array
    acc = acc + bias.ravel()
    if node.output.type.dtype is DType.F32:
        return clamp_output(node, acc)
    if bias.dtype == np.int64:
        return clamp_output(node, multiply_reduced(acc, *channel_multipliers(node)))
    return clamp_output(node, rescaled(node, acc) + node.output.type.zero_point)


def rescaled(node: Node[Weighted], acc: Array) -> Array:
    """int8: sums with their bias, [..., channels], at the output's scale; int64."""
    acc = acc.astype(np.int32)  # what leaves 32 bits wraps around, in C too
    if node.op.float_scaled:
        return multiply_float(acc, float_scales(node))
    multiply = multiply_single_rounding if node.op.rounds_once else multiply_double_rounding
    return multiply(acc, *channel_multipliers(node)).astype(np.int32).astype(np.int64)


def clamp_output(node: Node[Activated], y: Array) -> Array:
    """Clamp to the node's fused activation, as the output's type."""
    out, activation = node.output.type, node.op.activation
    if out.dtype is DType.F32:
        low, high = float_activation_range(activation)
        return np.clip(y, np.float32(low), np.float32(high)).astype(np.float32)
    return np.clip(y, *activation_range(activation, out)).astype(out.dtype.numpy)


WeightedT = TypeVar("WeightedT", bound=Weighted)


# Cases ------------------------------------------------------------------------------------


def random_type(
    rng: np.random.Generator, dtype: DType, shape: tuple[int, ...], scale: float = 0.0
) -> TensorType:
    """A type for a case; int8 with an often extreme zero point and a random scale, int16 with a
    random scale."""
    if dtype not in (DType.I8, DType.I16):
        return TensorType(shape, dtype)
    scale = float(np.float32(scale or rng.uniform(0.01, 0.1)))
    if dtype is DType.I16:
        return TensorType(shape, dtype, Quant((scale,), (0,)))
    return TensorType(shape, dtype, Quant((scale,), (int(rng.choice([-128, 127, 0, 5, -77])),)))


def unsigned_case(
    op: WeightedT,
    rng: np.random.Generator,
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
) -> Node[WeightedT]:
    """An int8 `weighted_case` that was uint8, whose weights have a zero point."""
    node = weighted_case(replace(op, unsigned=True), rng, DType.I8, shapes, 0, False)
    x, weights, bias = node.inputs
    quant = weights.type.quant
    assert quant is not None
    quant = replace(quant, zero_point=(int(rng.choice([-128, 127, 3])),))
    return replace(
        node, inputs=(x, replace(weights, type=replace(weights.type, quant=quant)), bias)
    )


def float_scaled_case(
    op: WeightedT,
    rng: np.random.Generator,
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    axis: int,
) -> Node[WeightedT]:
    """An int8 `weighted_case` that is `Weighted.float_scaled`, whose products come to many halves:
    its scales are short, but one."""
    node = weighted_case(replace(op, float_scaled=True), rng, DType.I8, shapes, axis)
    x, weights, bias = node.inputs
    count = shapes[2][-1]
    scales = rng.choice([1, 3, 5], count) * 2.0 ** -rng.integers(4, 14, count)
    scales[0] *= 1.1
    single = scales.astype(np.float32)
    quant = Quant(tuple(map(float, single)), (0,) * count, axis if count > 1 else 0)
    x = replace(x, type=random_type(rng, DType.I8, x.type.shape, 0.5))
    y = replace(node.output, type=random_type(rng, DType.I8, node.output.type.shape, 2.0))
    weights = replace(weights, type=replace(weights.type, quant=quant))
    return replace(node, inputs=(x, weights, bias), outputs=(y,))


def weighted_case(
    op: OpT,
    rng: np.random.Generator,
    dtype: DType,
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    axis: int,
    per_channel: bool = True,
    bias_dtype: DType = DType.I64,
) -> Node[OpT]:
    """A random node of (x, weights, bias) -> y with ``shapes`` of x, weights and y. Multipliers
    of an integer node reach from far below to above one, so that some outputs saturate;
    bias_dtype: of an int16 one."""
    x, weights, out = shapes
    channels = out[-1]
    if dtype is DType.F32:
        data = rng.normal(0, 1, weights).astype(np.float32)
        bias = rng.normal(0, 1, channels).astype(np.float32)
        type_w = TensorType(weights, dtype)
        type_x, type_y = TensorType(x, dtype), TensorType(out, dtype)
    else:
        data = rng.integers(-127, 127, weights, endpoint=True).astype(np.int8)
        bias = rng.integers(-9000, 9000, channels).astype(np.int32)
        if dtype is DType.I16:
            bias = (bias * rng.choice([1, 1 << 12], channels)).astype(bias_dtype.numpy)
        count = channels if per_channel else 1
        scales = np.exp(rng.uniform(np.log(1e-4), np.log(0.3), count)).astype(np.float32)
        type_w = TensorType(
            weights,
            DType.I8,
            Quant(tuple(map(float, scales)), (0,) * count, axis if count > 1 else 0),
        )
        type_x = random_type(rng, dtype, x, 0.05)
        type_y = random_type(rng, dtype, out, rng.choice([0.02, 0.7, 3.0]))
    integers = bias_dtype if dtype is DType.I16 else DType.I32
    type_b = TensorType((channels,), DType.F32 if dtype is DType.F32 else integers)
    return Node(
        op,
        (
            Value("x", type_x, "case"),
            Value("w", type_w, "case", data),
            Value("b", type_b, "case", bias),
        ),
        (Value("y", type_y, "case"),),
        "case",
    )
