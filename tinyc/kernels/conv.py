"""What kernels of conv share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import Array, DType, Node, OpT
from ..ir.quant import activation_range, float_activation_range
from ..ops._conv import (
    NO_PADDING,
    channel_multipliers,
    float_scales,
    real_multipliers,
    weight_zero,
)
from ..ops._mixins import Activated, Pair, Weighted, Windowed
from .base import Binding, Constant, Kernel, only


def integers(node: Node[Weighted], folded: bool = False) -> dict[str, Any]:
    """Parameters of the templates of integer layers, for those of int8. folded: the input's zero
    point is in the biases of `channel_table`, so that the sums do not subtract it."""
    return {
        "ctype": "int8_t",
        "bytes": 1,
        "wide": 0,
        "weight_zero": weight_zero(node),
        "store": f"tinyc_store_s8{float_suffix(node)}",
        "scaling": 0,
        "entry_bytes": 12,
        "input_zero": 0 if folded else node.inputs[0].type.zero_point,
    }


# Portable kernels -------------------------------------------------------------------------


VARYING = ("input_zero", "zero_point", "low", "high")
"""In what convolutions of one body may differ, their arrays apart."""
SIZED = ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c")
WINDOWS = ("kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left")
"""And in what such that are small: the sizes and the windows of `window_params`."""


def sees_all(node: Node[Windowed]) -> bool:
    """Whether the window of a convolution is the image: its only pixel is a row of inputs."""
    window, image = node.op.window(node), node.inputs[0].type.shape[1:3]
    pairs = zip(window, node.op.dilation, strict=True)
    spread = any(taps > 1 and step > 1 for taps, step in pairs)
    return window == image and not spread and not any(map(any, node.op.padding))


def portable(
    name: str,
    dtype: DType,
    bind: Callable[[Node[OpT]], Binding],
    template: str | None = None,
    varying: tuple[str, ...] | None = None,
) -> Kernel[OpT]:
    """A kernel of plain C for nodes whose first input is of ``dtype``."""
    return Kernel(
        name, template or f"{name}.c.j2", frozenset(), only(dtype), bind, varying=varying
    )  # fmt: skip


def window_params(node: Node[Windowed], kernel: Pair) -> dict[str, Any]:
    """Sizes, strides and padding that the templates of windowed operators take."""
    op = node.op
    batches, in_h, in_w, in_c = node.inputs[0].type.shape
    _, out_h, out_w, out_c = node.output.type.shape
    return {
        "batches": batches,
        "in_h": in_h, "in_w": in_w, "in_c": in_c,
        "out_h": out_h, "out_w": out_w, "out_c": out_c,
        "kernel_h": kernel[0], "kernel_w": kernel[1],
        "stride_h": op.stride[0], "stride_w": op.stride[1],
        "dilation_h": op.dilation[0], "dilation_w": op.dilation[1],
        "pad_top": op.padding[0][0], "pad_left": op.padding[1][0],
        "padded": op.padding != NO_PADDING,
    }  # fmt: skip


def clamp_params(node: Node[Activated]) -> dict[str, Any]:
    """Bounds of the fused activation, and the zero point of an int8 output."""
    out, activation = node.output.type, node.op.activation
    if out.dtype is DType.F32:
        low, high = float_activation_range(activation)
        return {"low": low, "high": high}
    low, high = activation_range(activation, out)
    return {"low": low, "high": high, "zero_point": out.zero_point}


def float_words(scales: Array) -> tuple[Array, Array]:
    """What tinyc_float_scale.h reads of each float32 scale, int32: its bits, and the right shift
    that its upper 24 bits take part in, 70 where no product comes to a half."""
    bits = np.ascontiguousarray(scales, np.float32).view(np.int32)
    return bits, np.minimum(150 - (bits >> 23), 70)


def scale_words(node: Node[Weighted]) -> tuple[Array, Array]:
    """What brings the sums of each channel to the output's scale: multiplier and shift, or
    `float_words`; int32."""
    if node.op.float_scaled:
        return float_words(float_scales(node))
    return channel_multipliers(node)


def float_suffix(node: Node[Weighted]) -> str:
    """What names of files and functions have where sums are multiplied by a float32."""
    return "_float" if node.op.float_scaled else ""


def store_support(node: Node[Weighted], *support: str) -> tuple[str, ...]:
    """``support`` of an int8 layer, with that of its store function."""
    return ("tinyc_integers_float.h", *support) if node.op.float_scaled else support


def extreme_sums(node: Node[Weighted], rows: Array) -> tuple[Array, Array]:
    """int64 [channels] each: the least and the greatest that the sums of weights [channels, depth]
    come to for any inputs; they begin with bias and zero point, to which the products of the inputs
    as they are are added."""
    x, _, bias = node.inputs[:3]
    wide = rows.astype(np.int64)
    start = bias.array.astype(np.int64).ravel() - x.type.zero_point * wide.sum(1)
    low, high = wide * -128, wide * 127
    return start + np.minimum(low, high).sum(1), start + np.maximum(low, high).sum(1)


def largest_sums(node: Node[Weighted], rows: Array) -> Array:
    """int64 [channels]: under what magnitude the sums of `extreme_sums` stay."""
    least, greatest = extreme_sums(node, rows)
    return np.asarray(np.maximum(abs(least), abs(greatest)))


def channel_table(node: Node[Weighted], rows: Array | None = None) -> Constant:
    """Bias and `scale_words` of each channel, int32, in the order the kernels read.

    rows: the weights as [channels, depth] where the input's zero point goes into the bias,
    which holds only where no sum meets padding; None where the kernel subtracts it.
    """
    x, _, bias = node.inputs
    start = bias.array.ravel().astype(np.int64)
    if rows is not None:
        start = start - x.type.zero_point * rows.astype(np.int64).sum(1)
    reals = real_multipliers(node)
    words = "float32 scale, right shift" if node.op.float_scaled else "multiplier, shift"
    return Constant(
        "channels",
        np.stack([start, *scale_words(node)], 1).astype(np.int32),
        f"bias{'' if rows is None else ' with the input offset'}, {words} of each "
        f"channel; multipliers stand for {min(reals):.6g} to {max(reals):.6g}",
    )


def four_channels(rows: Array, note: str, suffix: str = "weights") -> Constant:
    """Weights [channels, depth] as tinyc_tile4.h reads them, zeros up to whole fours."""
    missing = -len(rows) % 4
    padded = np.concatenate([rows, np.zeros((missing, rows.shape[1]), np.int8)])
    groups = padded.reshape(-1, 4, rows.shape[1]).transpose(0, 2, 1)
    return Constant(suffix, np.ascontiguousarray(groups), note)


def fours(channels: int, width: int = 4) -> list[int]:
    """The channels that kernels take by four, or by ``width``, in their order: the last of a count
    that is no multiple overlap those before them (tinyc_overlap). There are so many at least."""
    return [min(c, channels - width) + i for c in range(0, channels, width) for i in range(width)]


def four_rows(rows: Array) -> Constant:
    """Weights [channels, ...] of a depthwise convolution, as its kernels take them by four."""
    groups = rows[fours(len(rows))].reshape(-1, 4, rows[0].size).transpose(0, 2, 1)
    return Constant("weights", np.ascontiguousarray(groups), "weights of four channels, tap by tap")
