"""Packing for the int8 kernels of cores with the DSP extension (Cortex-M4, M7, M33).

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import activation_range, multiply_double_rounding, multiply_single_rounding
from ..ops._conv import channel_multipliers, real_multipliers
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d
from ..ops.fully_connected import FullyConnected
from .base import AIMS, Binding, Constant, Kernel
from .conv import (
    SIZED,
    VARYING,
    WINDOWS,
    clamp_params,
    float_suffix,
    four_rows,
    fours,
    largest_sums,
    scale_words,
    window_params,
)

REQUIRES = frozenset({"dsp"})
FLOAT_BITS = 22
"""Under two to this tinyc_scaled_small rounds right."""
PRODUCT_BITS = {"lowest": 12, "steep": 8}
"""Below the output, of the ways of `one_product`: 12 for multipliers under 2**-5, 8 for steeper
ones, under 1/2, of which less is left to be told apart."""
PRODUCT_SUM_BITS = 23
"""Of sums that it takes."""


def reject(node: Node[Weighted], rows: Array | None, largest_shift: int = -1) -> str | None:
    """Why a node of (x, weights, bias) cannot use SMMUL(R) requantization: the accumulator must
    stay under 2**30 and no multiplier's shift may exceed ``largest_shift`` (-1: under one half).
    ``rows``: weights as [channels, depth]."""
    x, weights, bias = node.inputs[:3]
    if x.type.dtype is not DType.I8 or node.output.type.dtype is not DType.I8:
        return "not int8"
    if weights.data is None or bias.data is None or rows is None:
        return "weights or bias are computed at run time"
    if weights.type.quant is None or any(weights.type.quant.zero_point):
        return "the weights have a zero point"
    magnitudes = np.abs(rows.astype(np.int64)).sum(1)
    used = magnitudes > 0  # the others are constants, see `table`
    sums = magnitudes * 256 + np.abs(bias.data.astype(np.int64).ravel())
    if np.any(sums[used] >= 1 << 30):
        return "an accumulator could reach 2^30"
    if node.op.float_scaled:
        wide = np.any(sums * np.array(real_multipliers(node)) >= 1 << FLOAT_BITS)
        return f"a scaled sum could reach 2^{FLOAT_BITS}" if wide else None
    _, shifts = channel_multipliers(node)
    if np.any(shifts[used] > largest_shift) or np.any(shifts[used] < -31):
        return f"a channel's multiplier is not under {2.0**largest_shift}"
    return None


def table(node: Node[Weighted], rows: Array, fold: bool, single: bool = False) -> Constant:
    """Bias, multiplier and right shift, less the kernel's last steps, of each channel, padded
    to an even count.

    fold: the input's zero point goes into the bias; single: the kernel rounds once. A channel
    without weights is a constant y, whose bias and multiplier may be out of range: it becomes
    a multiplier of 2**30 that brings 4 y (8 y with a single rounding) back to y.
    """
    x, _, bias = node.inputs[:3]
    flat = bias.array.ravel()
    offset = -x.type.zero_point * rows.astype(np.int64).sum(1) if fold else 0
    reals = real_multipliers(node)
    if node.op.float_scaled:
        entries, words = np.stack([flat + offset, *scale_words(node)], 1), "float32 scale"
    else:
        entries, words = fixed_point(node, rows, flat + offset, single), "multiplier"
    if len(entries) % 2:
        entries = np.concatenate([entries, [[0, 0, 0]]])
    note = (
        f"bias{' with the input offset' if fold else ''}, {words}, right shift of each channel; "
        f"multipliers stand for {min(reals):.6g} to {max(reals):.6g}"
    )
    return Constant("channels", entries.astype(np.int32), note)


def fixed_point(node: Node[Weighted], rows: Array, biases: Array, single: bool) -> Array:
    """The entries of `table`, whose multipliers are integers."""
    flat = node.inputs[2].array.ravel()
    multipliers, shifts = channel_multipliers(node)
    steps = -shifts.astype(np.int64) - (2 if single else 1)
    entries = np.stack([biases, multipliers, steps], 1)
    requantize = multiply_single_rounding if single else multiply_double_rounding
    for c in np.flatnonzero(~rows.any(1)):
        y = int(np.clip(requantize(flat[c], multipliers[c], shifts[c]), -(1 << 16), 1 << 16))
        entries[c] = (8 * y, 1 << 30, 0) if single else (4 * y, 1 << 30, 0)
    return np.asarray(entries)


def one_product(
    node: Node[Weighted], rows: Array, entries: Array, bits: int = PRODUCT_BITS["lowest"]
) -> Array | None:
    """The `entries` of a node that rounds twice, with the multiplier and the addend of
    ``tinyc_finish_s8_lowest`` for its last two words, and ``bits`` below the output; None where the
    output's zero point is not -128, or a channel has none.

    All outputs above that begin at sums over 0. A product that is cut off does for two roundings
    if with one addend all these sums, and those before them, come to the same, and nearly always it
    does."""
    used = rows.any(1)
    sums = np.where(used, largest_sums(node, rows), 0)
    if node.output.type.zero_point != -128 or node.op.rounds_once or node.op.float_scaled:
        return None
    if np.any(sums >> PRODUCT_SUM_BITS):
        return None
    steps = np.arange(1, 256)
    multipliers, shifts = (a.astype(np.int64) for a in channel_multipliers(node))
    first = _first_sums(multipliers[:, None], shifts[:, None], steps)
    reached = first <= sums[:, None]
    exact = np.ldexp(multipliers, shifts + bits - 7).round().astype(np.int64)
    missing = np.ones(len(rows), bool)
    words = np.zeros((len(rows), 2), np.int64)
    for nearby in (0, 1, -1, 2, -2, 3, -3):
        scaled = np.where(reached.any(1), exact + nearby, 0)
        at, before = (256 * scaled[:, None] * x >> 32 for x in (first, first - 1))
        least = np.where(reached, (steps << bits) - at, -(1 << 30)).max(1)
        most = np.where(reached, (steps << bits) - 1 - before, 1 << 30).min(1)
        fits = missing & (least <= most) & (scaled < 1 << 31)
        words[fits] = np.stack([scaled, (least + most) // 2], 1)[fits]
        missing &= ~fits
    if missing.any():
        return None
    constants = np.clip(entries[~used, 0] // 4, 0, 255)  # see `table`
    words[~used, 1] = constants << bits
    biases = np.where(used, entries[: len(rows), 0], 0)
    return np.column_stack([biases, words - [0, 128 << bits]])


def _first_sums(multipliers: Array, shifts: Array, outputs: Array) -> Array:
    """The least sum that two roundings bring to each of the outputs, or 2**PRODUCT_SUM_BITS."""
    below = np.zeros(np.broadcast_shapes(multipliers.shape, outputs.shape), np.int64)
    first = below + (1 << PRODUCT_SUM_BITS)
    for _ in range(PRODUCT_SUM_BITS):
        middle = (below + first) // 2
        reached = multiply_double_rounding(middle, multipliers, shifts) >= outputs
        below, first = np.where(reached, below, middle), np.where(reached, middle, first)
    return first


def padded(rows: Array, channels: int, depth: int) -> Array:
    """[channels, depth] with both rounded up to multiples; zeros fill."""
    c, k = rows.shape
    out = np.zeros((-(-c // channels) * channels, -(-k // depth) * depth), np.int8)
    out[:c, :k] = rows
    return out


def columns_bytes(depth: int, pixel_bytes: int, size: int = 1, lanes: int = 4) -> int:
    """Scratch of tinyc_columns.h for ``lanes`` windows of ``depth`` inputs of ``size`` bytes: the
    columns, and a window as it lies in the image where the inputs of a pixel are no whole words."""
    return 2 * lanes * depth + (size * depth if pixel_bytes % 4 else 0)


# Convolution ------------------------------------------------------------------------------


def conv_rows(node: Node[Conv2d]) -> Array | None:
    data = node.inputs[1].data
    return None if data is None else data.reshape(data.shape[0], -1)


def reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights, _ = node.inputs
    if x.type.shape[0] != 1:
        return "more than one batch"
    if weights.type.shape[3] != x.type.shape[3]:
        return "grouped"
    return reject(node, conv_rows(node))


def _pairs(rows: Array) -> tuple[Constant, int]:
    """Weights [channels, depth] as tinyc_mac.h reads them, and their depth, filled up."""
    packed = padded(rows, 2, 8)
    depth = packed.shape[1]
    # [pair, channel, quad, k] -> [pair, quad, parity, (k or k + 2), channel]
    quads = packed.reshape(-1, 2, depth // 4, 2, 2)  # k = 2 * half + parity
    packed = quads.transpose(0, 2, 4, 3, 1)
    note = "weights of channel pairs, byte-interleaved by input pair"
    return Constant("weights", packed, note), depth


def _bind_conv(node: Node[Conv2d]) -> Binding:
    x, weights, _ = node.inputs
    rows = conv_rows(node)
    assert rows is not None
    in_c, (_, kh, kw, _) = x.type.shape[3], weights.type.shape
    packed, depth = _pairs(rows)
    return Binding(
        params={
            **window_params(node, (kh, kw)),
            **clamp_params(node),
            "input_zero": x.type.zero_point,
            "last": f"tinyc_conv_columns{float_suffix(node)}",
        },
        constants=(packed, table(node, rows, fold=True)),
        scratch=columns_bytes(depth, in_c),
        support=(f"tinyc_conv2d{float_suffix(node)}_dsp.h",),
        ordered=True,
        tile=4,
        lanes=2,
    )


CONV2D = Kernel(
    "conv2d_s8_dsp", "conv2d_s8_dsp.c.j2", REQUIRES, reject_conv, _bind_conv,
    varying=VARYING,
)  # fmt: skip


# Depthwise convolution --------------------------------------------------------------------


def _depthwise_rows(node: Node[DepthwiseConv2d]) -> Array | None:
    data = node.inputs[1].data
    return None if data is None else data.reshape(-1, data.shape[3]).T


def reject_depthwise(node: Node[DepthwiseConv2d]) -> str | None:
    """`reject` of a depthwise convolution, of one image and a filter for each of its channels."""
    x, weights, _ = node.inputs
    if x.type.shape[0] != 1:
        return "more than one batch"
    if x.type.shape[3] != weights.type.shape[3]:
        return "a depth multiplier"
    if x.type.shape[3] < 4:
        return "fewer than 4 channels"
    return reject(node, _depthwise_rows(node))


def _bind_depthwise(node: Node[DepthwiseConv2d], alike: bool = False) -> Binding:
    """alike: round as any layer may be rounded, so that code is small."""
    x, weights, _ = node.inputs
    _, kh, kw, _ = weights.type.shape
    rows = _depthwise_rows(node)
    assert rows is not None
    entries = table(node, rows, fold=False)
    one = None if alike else one_product(node, rows, entries.data[: len(rows)])
    data = entries.data if one is None else one.astype(np.int32)
    finish = float_suffix(node) or ("_dsp" if one is None else "_lowest")
    return Binding(
        params={
            **window_params(node, (kh, kw)),
            **clamp_params(node),
            "input_zero": x.type.zero_point,
            "last": f"tinyc_finish_s8{finish}",
        },
        constants=(four_rows(rows), replace(entries, data=data[fours(len(rows))])),
        support=(
            *(("tinyc_float_scale_dsp.h",) if node.op.float_scaled else ()),
            "tinyc_depthwise_dsp.h",
        ),
        ordered=True,
        lanes=4,
    )


DEPTHWISE_CONV2D = (
    Kernel(
        "depthwise_conv2d_s8_dsp", "depthwise_conv2d_s8_dsp.c.j2", REQUIRES,
        reject_depthwise, _bind_depthwise,
        varying=VARYING, aims=frozenset(AIMS) - {"flash"},
    ),
    Kernel(
        "depthwise_conv2d_s8_dsp_alike", "depthwise_conv2d_s8_dsp.c.j2", REQUIRES,
        reject_depthwise, partial(_bind_depthwise, alike=True),
        varying=VARYING, sized=(*SIZED, *WINDOWS), aims=frozenset({"flash"}),
    ),
)  # fmt: skip


# Fully connected --------------------------------------------------------------------------


ONCE_SHIFT = -2
"""The largest of multipliers of sums that are rounded once: SMMUL needs the rounding constant
within the high word."""


def reject_fully_connected(
    node: Node[FullyConnected], largest_shift: int = ONCE_SHIFT
) -> str | None:
    return reject(node, node.inputs[1].data, largest_shift)


def quads(rows: Array, note: str, suffix: str = "weights") -> Constant:
    """Weights [channels, depth] as tinyc_dense_dsp.h reads them, zeros up to whole fours."""
    packed = padded(rows, 4, 4)
    # [group of four channels, quad, channel, k]
    packed = packed.reshape(-1, 4, packed.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    return Constant(suffix, packed, note)


FEWEST_ROWS = 3
"""From so many on a tile of four is faster than one after the other, even if it is not full."""


def _bind_fully_connected(node: Node[FullyConnected]) -> Binding:
    weights = node.inputs[1]
    channels, depth = weights.array.shape
    if node.inputs[0].type.elements // depth >= FEWEST_ROWS:
        return _bind_rows(node)
    low, high = activation_range(node.op.activation, node.output.type)
    entries = table(node, weights.array, fold=True, single=True)
    missing = -len(entries.data) % 4
    if missing:
        filled = np.concatenate([entries.data, [[0, 0, 0]] * missing]).astype(np.int32)
        entries = Constant(entries.suffix, filled, entries.note)
    return Binding(
        params={
            "rows": 0,
            "batches": node.inputs[0].type.elements // depth,
            "depth": depth,
            "channels": channels,
            "zero_point": node.output.type.zero_point,
            "low": low,
            "high": high,
            "last": f"tinyc_dense_row{float_suffix(node) or '_dsp'}",
        },
        constants=(
            quads(weights.array, "weights of four channels, four inputs of each in turn"),
            entries,
        ),
        support=(f"tinyc_dense{float_suffix(node)}_dsp.h",),
        lanes=4,
    )


def row_window(node: Node[FullyConnected]) -> dict[str, Any]:
    """The window of a pointwise convolution of an image of one row, whose pixels are the inputs'
    ``rows``."""
    channels, depth = node.inputs[1].type.shape
    rows = node.inputs[0].type.elements // depth
    return {
        "rows": rows,
        "batches": 1,
        "in_h": 1, "in_w": rows, "in_c": depth,
        "out_h": 1, "out_w": rows, "out_c": channels,
        "kernel_h": 1, "kernel_w": 1, "stride_h": 1, "stride_w": 1,
        "dilation_h": 1, "dilation_w": 1, "pad_top": 0, "pad_left": 0,
    }  # fmt: skip


def _bind_rows(node: Node[FullyConnected]) -> Binding:
    x, weights = node.inputs[0].type, node.inputs[1].array
    packed, whole = _pairs(weights)
    scaled = node.op.float_scaled
    return Binding(
        params={
            **row_window(node),
            **clamp_params(node),
            "input_zero": x.zero_point,
            "last": "tinyc_conv_columns_float" if scaled else "tinyc_dense_columns",
        },
        constants=(packed, table(node, weights, fold=True, single=True)),
        scratch=columns_bytes(whole, weights.shape[1]),
        support=("tinyc_conv2d_float_dsp.h" if scaled else "tinyc_dense_rows_dsp.h",),
        tile=4,
        lanes=2,
    )


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_dsp",
    "fully_connected_s8_dsp.c.j2",
    REQUIRES,
    reject_fully_connected,
    _bind_fully_connected,
    varying=VARYING,
)
