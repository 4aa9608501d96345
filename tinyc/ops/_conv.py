"""What the convolutions share: explicit padding, windows, requantization, scalar parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import CompileError
from ..frontends.tflite import TfliteOp
from ..ir import DType, Node, Value
from ..op import Constant, expect_dtype, expect_quant, fail
from ..quant import (
    activation_range,
    float_activation_range,
    multiply_double_rounding,
    quantize_multipliers,
)

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def same_padding(size: int, kernel: int, stride: int, dilation: int, out: int) -> Pair:
    """(before, after) of TFLite's SAME padding along one axis; the odd one goes after."""
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def import_geometry(src: TfliteOp, x: Value, kernel: Pair, dilated: bool = True) -> dict[str, Any]:
    """stride, dilation and explicit padding of a TFLite convolution or pooling."""
    stride = (src.option("stride_h"), src.option("stride_w"))
    dilation = (src.option("dilation_h"), src.option("dilation_w")) if dilated else (1, 1)
    if min(*stride, *dilation) < 1:
        raise src.fail(f"stride {stride} or dilation {dilation} is not positive", id="E301")
    if len(x.type.shape) != 4:
        raise src.fail(f"its input has rank {len(x.type.shape)}, not 4", "use NHWC tensors")
    padding = ((0, 0), (0, 0))
    if src.padding() == "same":
        padding = tuple(
            same_padding(size, k, s, d, -(-size // s))
            for size, k, s, d in zip(x.type.shape[1:3], kernel, stride, dilation, strict=True)
        )
    return {"stride": stride, "dilation": dilation, "padding": padding}


def out_size(size: int, kernel: int, stride: int, dilation: int, padding: Pair) -> int:
    """Output extent along one axis; at most 0 where the filter does not fit."""
    return (size + sum(padding) - (kernel - 1) * dilation - 1) // stride + 1


def with_bias(src: TfliteOp, operands: list[Value], channels: int) -> list[Value]:
    """(x, weights, bias) with a bias of zeros where the file has none."""
    if len(operands) == 3:
        return operands
    dtype = np.float32 if operands[0].type.dtype is DType.F32 else np.int32
    return [*operands, src.const("bias", np.zeros(channels, dtype))]


def check_operands(node: Node, channels: int, axis: int) -> None:
    """dtypes and quantization of (x, weights, bias) -> output: all int8 or all float32."""
    x, weights, bias = (v.type for v in node.inputs)
    expect_dtype(node, x, (DType.I8, DType.F32), "input")
    expect_dtype(node, weights, (x.dtype,), "weights")
    expect_dtype(node, node.output.type, (x.dtype,), "output")
    expect_dtype(node, bias, (DType.I32 if x.dtype is DType.I8 else DType.F32,), "bias")
    if bias.shape != (channels,):
        raise fail(node, f"bias has shape {list(bias.shape)}, not [{channels}]", id="E301")
    if x.dtype is DType.F32:
        return
    expect_quant(node, x, "input")
    expect_quant(node, node.output.type, "output")
    expect_quant(node, weights, "weights", per_channel=True)
    assert weights.quant is not None
    if weights.quant.per_channel and (
        weights.quant.axis != axis or len(weights.quant.scale) != channels
    ):
        raise fail(node, "weights are quantized along another axis than the channels", id="E304")


def real_multipliers(node: Node) -> list[float]:
    """input_scale * filter_scale[c] / output_scale of each output channel, in double
    (GetQuantizedConvolutionMultipler and PopulateConvolutionQuantizationParams)."""
    x, weights, bias = node.inputs[:3]
    assert weights.type.quant is not None
    scales = weights.type.quant.scale
    scales = scales if len(scales) > 1 else scales * bias.type.elements
    return [x.type.scale * s / node.output.type.scale for s in scales]


def windows(x: np.ndarray, kernel: Pair, op: Any, out: Pair, fill: float) -> np.ndarray:
    """[n, h, w, c] -> [n, out_h, out_w, kernel_h, kernel_w, c], padding reads as ``fill``."""
    (top, bottom), (left, right) = op.padding
    # A stride may end before the padding does, or the filter reach past it: fill generously.
    reach_h = max(0, (out[0] - 1) * op.stride[0] + (kernel[0] - 1) * op.dilation[0] + 1)
    reach_w = max(0, (out[1] - 1) * op.stride[1] + (kernel[1] - 1) * op.dilation[1] + 1)
    bottom = max(bottom, reach_h - x.shape[1] - top)
    right = max(right, reach_w - x.shape[2] - left)
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    rows = np.arange(out[0])[:, None] * op.stride[0] + np.arange(kernel[0]) * op.dilation[0]
    cols = np.arange(out[1])[:, None] * op.stride[1] + np.arange(kernel[1]) * op.dilation[1]
    return x[:, rows[:, None, :, None], cols[None, :, None, :]]


def exact_matmul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integer product through float64, whose 53 bits hold any sum of these sizes exactly."""
    return (a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def finish(node: Node, acc: np.ndarray) -> np.ndarray:
    """Accumulators [..., channels] with the bias -> the output: double rounding, zero point,
    clamp (integer_ops::ConvPerChannel); or the clamp alone for floats."""
    out = node.output.type
    if out.dtype is DType.F32:
        low, high = float_activation_range(node.op.activation)
        return np.clip(acc, np.float32(low), np.float32(high)).astype(np.float32)
    multipliers, shifts = quantize_multipliers(real_multipliers(node))
    y = multiply_double_rounding(acc, multipliers, shifts) + out.zero_point
    low, high = activation_range(node.op.activation, out)
    return np.clip(y, low, high).astype(out.dtype.numpy)


def geometry_params(node: Node) -> dict[str, Any]:
    """Sizes, strides and padding that every scalar template takes."""
    op = node.op
    batches, in_h, in_w, in_c = node.inputs[0].type.shape
    _, out_h, out_w, out_c = node.output.type.shape
    return {
        "batches": batches,
        "in_h": in_h,
        "in_w": in_w,
        "in_c": in_c,
        "out_h": out_h,
        "out_w": out_w,
        "out_c": out_c,
        "stride_h": op.stride[0],
        "stride_w": op.stride[1],
        "dilation_h": op.dilation[0],
        "dilation_w": op.dilation[1],
        "pad_top": op.padding[0][0],
        "pad_left": op.padding[1][0],
    }


def clamp_params(node: Node) -> dict[str, Any]:
    """Bounds of the fused activation, and for int8 the zero points."""
    out = node.output.type
    if out.dtype is DType.F32:
        low, high = float_activation_range(node.op.activation)
        return {"low": low, "high": high, "clamped": node.op.activation != "none"}
    low, high = activation_range(node.op.activation, out)
    x = node.inputs[0].type
    return {"low": low, "high": high, "zero_point": out.zero_point, "offset": -x.zero_point}


def channel_table(node: Node) -> Constant:
    """Bias, multiplier and shift of each channel, int32, in the order the kernels read."""
    bias = node.inputs[2].data
    assert bias is not None
    reals = real_multipliers(node)
    multipliers, shifts = quantize_multipliers(reals)
    return Constant(
        "channels",
        np.stack([bias.ravel(), multipliers, shifts], 1).astype(np.int32),
        "bias, multiplier, shift of each channel; "
        f"multipliers stand for {min(reals):.6g} to {max(reals):.6g}",
    )


def reject_dtype(dtype: DType) -> Callable[[Node], str | None]:
    """The `Kernel.reject` of a kernel for ``dtype`` that packs its constants when compiling."""

    def reject(node: Node) -> str | None:
        if node.inputs[0].type.dtype is not dtype:
            return f"not {dtype.value}"
        if any(v.data is None for v in node.inputs[1:]):
            return "weights or bias are computed at run time"
        return None

    return reject


def too_large(node: Node, depth: int) -> CompileError | None:
    """An int32 accumulator must hold depth products of 255 * 128 and the bias."""
    if depth * 255 * 128 >= 1 << 31:
        return fail(node, f"sums {depth} products, more than 32 bits hold", "split the layer")
    return None
