"""Packing for the int8 kernels of cores with long multiplications but without SIMD (Cortex-M3).

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, Node
from ..ops._conv import filter_rows, real_multipliers
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d, flat
from ..ops.fully_connected import FullyConnected
from .base import Binding, Constant, Kernel
from .conv import VARYING, clamp_params, four_channels, sees_all, window_params
from .conv_dsp import fixed_point, one_product, padded, reject
from .narrow import narrowed, pack_bits

REQUIRES = frozenset({"thumb2"})


def _reject(node: Node[Weighted], rows: Array, largest_shift: int = -1) -> str | None:
    """Why a node of weights [channels, depth] cannot use tinyc_store_thumb2.h."""
    return "scaled by a float32" if node.op.float_scaled else reject(node, rows, largest_shift)


def _table(
    node: Node[Weighted], rows: Array, paired: bool = False, by_fours: bool = False
) -> tuple[Constant, str]:
    """Bias with the input's zero point, multiplier and right shift, or addend, of each channel of
    weights ``rows`` [channels, depth], and the way in which tinyc_store_thumb2.h stores them;
    paired: with what tinyc_pairs_thumb2.h reads instead of the bias; by_fours: with right shifts,
    up to whole fours of channels."""
    x, _, bias = node.inputs[:3]
    totals = rows.astype(np.int64).sum(1)
    biases = bias.array.ravel() - x.type.zero_point * totals
    fixed = fixed_point(node, rows, biases, node.op.rounds_once)
    one = None if by_fours else one_product(node, rows, fixed)
    starts, multipliers, last = (np.add(fixed, [0, 0, 1]) if one is None else one).T
    columns, begin = [starts], "bias with the input offset"
    if paired:
        columns = [65537 * starts - 129 * totals, starts + (rows < 0).sum(1)]
        begin = "where both sums and the upper one begin"
    entries = np.stack([*columns, multipliers, last], 1)
    if by_fours:
        entries = np.concatenate([entries, np.zeros((-len(entries) % 4, 3), np.int64)])
    reals = real_multipliers(node)
    store, kind = ("away", "right shift") if one is None else ("lowest", "addend")
    note = (
        f"{begin}, multiplier, {kind} of each channel; "
        f"multipliers stand for {min(reals):.6g} to {max(reals):.6g}"
    )
    return Constant("channels", entries.astype(np.uint32).view(np.int32), note), store


def _reject_row(weights: Array) -> str | None:
    """Why weights [channels, depth] are not those of tinyc_dense_thumb2.h."""
    if weights.shape[1] % 4:
        return "inputs are no multiple of 4"
    return "a weight is -128" if weights.min() == -128 else None


def _bind_row(node: Node[Weighted], weights: Array, bits: int, more: dict[str, Any]) -> Binding:
    """bits: of a weight."""
    channels, depth = weights.shape
    packed = four_channels(
        weights, f"weights of four channels, input by input, plus {1 << bits - 1}"
    )
    channel_table, _ = _table(node, weights, by_fours=True)
    if bits == 8:
        packed = replace(packed, data=packed.data ^ np.int8(-128))
    else:
        packed = replace(packed, data=_halved(packed.data, bits))
        # Inputs are taken plus 128.
        totals = (weights.astype(np.int64) + (1 << bits - 1)).sum(1)
        channel_table.data[:channels, 0] -= 128 * totals
    return Binding(
        params={"depth": depth, "channels": channels, "bits": bits, **clamp_params(node), **more},
        constants=(packed, channel_table),
        support=("tinyc_dense_thumb2.h",),
    )


def _halved(groups: Array, bits: int) -> Array:
    """int8 [groups, depth, four channels] as the words of tinyc_dense_thumb2.h, of so many bits."""
    inputs = 8 // bits
    halves = groups.reshape(len(groups), -1, inputs, 2, 2).transpose(0, 1, 3, 2, 4)
    return pack_bits(np.ascontiguousarray(halves) + (1 << bits - 1), bits)


# Convolution ------------------------------------------------------------------------------


def _reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights, _ = node.inputs
    if weights.type.shape[3] != x.type.shape[3]:
        return "grouped"
    return _reject(node, filter_rows(node))


def _bind_conv(node: Node[Conv2d], bits: int = 8) -> Binding:
    """A single pixel as a row of inputs, four channels at a time. bits: of a weight."""
    x, weights, _ = node.inputs
    if sees_all(node) and _reject_row(filter_rows(node)) is None:
        return _bind_row(node, filter_rows(node), bits, {})
    _, kh, kw, _ = weights.type.shape
    rows = filter_rows(node)
    pairs = padded(rows, 2, 4)
    depth = pairs.shape[1]
    params = window_params(node, (kh, kw))
    _, out_h, out_w, out_c = node.output.type.shape
    odd = out_h * out_w % 4 > 0
    channels, store = _table(node, rows, paired=True)
    data = np.ascontiguousarray(pairs.reshape(-1, 2, depth).transpose(0, 2, 1))
    return Binding(
        params={
            **params,
            **clamp_params(node),
            "bits": bits,
            "depth": depth,
            "input_zero": x.type.zero_point,
            "store": store,
        },
        constants=(
            Constant(
                "weights",
                data if bits == 8 else pack_bits(data, bits),
                "weights of channel pairs, input by input",
            ),
            channels,
        ),
        scratch=8 * depth + (params["in_c"] if params["padded"] else 0) + (4 * out_c if odd else 0),
        support=("tinyc_conv2d_thumb2.h",),
        ordered=True,
        strip_scratch=0 if odd else 4 * out_c,
        tile=4,
    )


CONV2D = Kernel(
    "conv2d_s8_thumb2",
    "conv2d_s8_thumb2.c.j2",
    REQUIRES,
    _reject_conv,
    _bind_conv,
    varying=VARYING,
)
NARROW_CONV2D = narrowed(CONV2D, _bind_conv)


# Depthwise convolution --------------------------------------------------------------------


def _reject_depthwise(node: Node[DepthwiseConv2d]) -> str | None:
    _, kh, kw, _ = node.inputs[1].type.shape
    op, padding = node.op, node.op.padding
    if op.multiplier > 1:
        return "a depth multiplier"
    if (kh, kw) != (3, 3) or op.dilation != (1, 1):
        return "the filter is not 3x3"
    if op.stride[1] > 2:
        return "more than two pixels from one window to the next"
    if max(*padding[0], *padding[1]) > 2:
        return "windows outside of the image"
    if node.output.type.shape[2] < 3:
        return "fewer than three pixels in a row"
    return _reject(node, flat(node))


def _bind_depthwise(node: Node[DepthwiseConv2d]) -> Binding:
    params = window_params(node, (3, 3))
    rows = flat(node)
    # How many pixels are made at a time: fours, what is over in one five or one or two threes.
    stride, (whole, over) = node.op.stride[1], divmod(params["out_w"], 4)
    counts = {3: over > 1, 4: whole > (over == 1) + (over == 2), 5: over == 1}
    channels, store = _table(node, rows)
    function = f"tinyc_depthwise_{store}_" + ("by_two_" if stride == 2 else "")
    names = {3: "three", 4: "four", 5: "five"}
    span = (max(n for n in counts if counts[n]) - 1) * stride + 3
    return Binding(
        params={
            **params,
            **clamp_params(node),
            "input_zero": node.inputs[0].type.zero_point,
            "pixels": [f"{function}{names[n]}" if used else "NULL" for n, used in counts.items()],
        },
        constants=(Constant("weights", rows, "weights, channel by channel"), channels),
        scratch=3 * span * params["in_c"] if params["padded"] else 0,
        support=("tinyc_depthwise_thumb2.h",),
        ordered=True,
    )


DEPTHWISE_CONV2D = Kernel(
    "depthwise_conv2d_s8_thumb2",
    "depthwise_conv2d_s8_thumb2.c.j2",
    REQUIRES,
    _reject_depthwise,
    _bind_depthwise,
    varying=VARYING,
)


# Fully connected --------------------------------------------------------------------------


def _reject_dense(node: Node[FullyConnected]) -> str | None:
    weights = node.inputs[1].array
    reason = _reject_row(weights)
    return _reject(node, weights, largest_shift=-2) if reason is None else reason


def _bind_dense(node: Node[FullyConnected], bits: int = 8) -> Binding:
    weights = node.inputs[1].array
    batches = node.inputs[0].type.elements // weights.shape[1]
    return _bind_row(node, weights, bits, {"batches": batches})


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_thumb2",
    "fully_connected_s8_thumb2.c.j2",
    REQUIRES,
    _reject_dense,
    _bind_dense,
    varying=VARYING,
)
NARROW_FULLY_CONNECTED = narrowed(FULLY_CONNECTED, _bind_dense)
