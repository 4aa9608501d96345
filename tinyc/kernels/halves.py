"""Int8 kernels of cores with the DSP extension that keep the weights of two channels in each
halfword, see ``firmware/kernels/tinyc_halves.h``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..ir import Array, Node
from ..ir.quant import multiply_double_rounding, multiply_single_rounding
from ..ops._conv import channel_multipliers
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.fully_connected import FullyConnected
from .base import AIMS, Binding, Constant, Kernel, Pointless
from .conv import (
    SIZED,
    VARYING,
    clamp_params,
    fours,
    largest_sums,
    sees_all,
    window_params,
)
from .conv_dsp import (
    PRODUCT_BITS,
    REQUIRES,
    columns_bytes,
    conv_rows,
    one_product,
    reject_conv,
    reject_fully_connected,
    row_window,
    table,
)

UPPER_BITS = 23
"""Sums of upper bytes are right under two to this."""
LARGEST_SHIFT = 23
"""To the right: that of a product under 2**30 to which a zero point is added, shifted up."""


def reject(node: Node[Weighted], rows: Array, width: int = 4) -> str | None:
    """Why a node that `conv_dsp.reject` takes cannot be computed by two channels in a halfword.
    rows: the weights as [channels, depth]; width: how many channels the kernel takes at once."""
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    if len(rows) < width:
        return f"less than {width} channels"
    lower, upper = (rows[fours(len(rows), width)[i::2]] for i in (0, 1))
    if np.any((upper == -128) & (lower < 0)):
        return "weights of -128 with others below zero in a halfword"
    sums = np.where(rows.any(1), largest_sums(node, rows), 0)  # constants apart, see `table`
    if np.any(sums[fours(len(rows), width)[1::2]] >= 1 << UPPER_BITS):
        return f"a sum of every second channel could reach 2^{UPPER_BITS}"
    if np.any(_is_far(node, rows) & ~_is_naught(node, sums)):
        return f"a channel's multiplier is under 2^-{LARGEST_SHIFT + 1}"
    return None


def _is_far(node: Node[Weighted], rows: Array) -> Array:
    """Whether the shift of each channel that has weights is over `LARGEST_SHIFT`."""
    return np.asarray(rows.any(1) & (channel_multipliers(node)[1] < -LARGEST_SHIFT))


def _is_naught(node: Node[Weighted], sums: Array) -> Array:
    """Whether each channel's product is 0 whatever its sum is, up to ``sums``."""
    requantize = multiply_single_rounding if node.op.rounds_once else multiply_double_rounding
    return np.asarray(~requantize(np.stack([sums, -sums]), *channel_multipliers(node)).any(0))


def pack(
    node: Node[Weighted], rows: Array, width: int = 4, alike: bool = False
) -> tuple[dict[str, Any], tuple[Constant, Constant]]:
    """How a node's channels are rounded and clamped, their weights and their table.
    rows: [channels, depth]; depths are filled up to multiples of four; width: how many channels the
    kernel takes at once; alike: round as any layer may be rounded."""
    channels, depth = rows.shape
    places = fours(channels, width)
    filled = np.zeros((len(places), -(-depth // 4) * 4), np.int16)
    filled[:, :depth] = rows[places]
    halves = filled[0::2] + 256 * filled[1::2]
    # [tile, pair, quad, k] -> [tile, quad, parity, pair, half]; k = 2 * half + parity
    quads = halves.reshape(-1, width // 2, filled.shape[1] // 4, 2, 2)
    weights = Constant(
        "weights",
        np.ascontiguousarray(quads.transpose(0, 2, 4, 1, 3)),
        "weights of two channels each, the second's times 256",
    )
    known, rounding = entries(node, rows, alike)
    words = known.data.astype(np.int64)[places]
    words[1::2, 0] = words[0::2, 0] + 256 * words[1::2, 0]
    kind = "halves" if width == 4 else "dense"
    return (
        {**clamp_params(node), "halves": f"tinyc_{kind}_{rounding}"},
        (weights, replace(known, data=words.astype(np.int32))),
    )


def entries(
    node: Node[Weighted],
    rows: Array,
    alike: bool = False,
    products: tuple[str, ...] = ("lowest", "steep"),
) -> tuple[Constant, str]:
    """The words of each channel, int32 [channels, 3], and which way of rounding they are for, as
    ``firmware/kernels/tinyc_halves.h`` has them; alike: round as any layer may be rounded;
    products: what else is tried in turn of `PRODUCT_BITS`, first what most layers can have, as each
    way has code of its own."""
    known = table(node, rows, fold=True, single=node.op.rounds_once)
    words = known.data[: len(rows)].astype(np.int64)
    words[_is_far(node, rows), 1:] = 0  # sums that are taken come to naught
    rounding = "once" if node.op.rounds_once else "away"
    for way in () if alike else products:
        one = one_product(node, rows, words, PRODUCT_BITS[way])
        if one is not None:
            words, rounding = one, way
            break
    return replace(known, data=words.astype(np.int32)), rounding


# A single row of inputs --------------------------------------------------------------------


LEAST_PRODUCTS = 1024
"""Of a single row: less are not worth the code."""


def _reject_row(node: Node[Weighted], rows: Array) -> str | None:
    """Why the sums of a single row of inputs are not computed eight channels at a time."""
    if rows.size < LEAST_PRODUCTS:
        return Pointless("too small for code of its own")
    return "inputs are no multiple of 4" if rows.shape[1] % 4 else reject(node, rows, 8)


def _bind_row(node: Node[Weighted], rows: Array) -> Binding:
    channels, depth = rows.shape
    params, constants = pack(node, rows, 8)
    return Binding(
        params={**params, "rows": 1, "depth": depth, "channels": channels},
        constants=constants,
        support=("tinyc_dense_halves.h",),
        lanes=8,
    )


# Convolution --------------------------------------------------------------------------------


def _reject_conv(node: Node[Conv2d]) -> str | None:
    rows = conv_rows(node)
    reason = reject_conv(node)
    return reason if reason is not None or rows is None else reject(node, rows)


def _bind_conv(node: Node[Conv2d], alike: bool = False) -> Binding:
    """A single pixel as a row of inputs, eight channels at a time, unless all are to be ``alike``,
    so that code is small."""
    x, weights, _ = node.inputs
    rows = conv_rows(node)
    assert rows is not None
    if not alike and sees_all(node) and _reject_row(node, rows) is None:
        return _bind_row(node, rows)
    in_c, (_, kh, kw, _) = x.type.shape[3], weights.type.shape
    depth = -(-rows.shape[1] // 4) * 4
    params, constants = pack(node, rows, alike=alike)
    return Binding(
        params={
            **window_params(node, (kh, kw)),
            **params,
            "input_zero": x.type.zero_point,
            "depth": depth,
        },
        constants=constants,
        scratch=columns_bytes(depth, in_c, lanes=2),
        support=("tinyc_conv2d_halves.h",),
        ordered=True,
        tile=2,
        lanes=4,
    )


CONV2D = (
    Kernel(
        "conv2d_s8_halves", "conv2d_s8_halves.c.j2", REQUIRES, _reject_conv, _bind_conv,
        varying=VARYING, aims=frozenset(AIMS) - {"flash"},
    ),
    Kernel(
        "conv2d_s8_halves_alike", "conv2d_s8_halves.c.j2", REQUIRES, _reject_conv,
        partial(_bind_conv, alike=True),
        varying=VARYING, sized=(*SIZED, "depth"), aims=frozenset({"flash"}),
    ),
)  # fmt: skip


# Fully connected --------------------------------------------------------------------------


def _reject_fully_connected(node: Node[FullyConnected]) -> str | None:
    rows = node.inputs[1].data
    reason = reject_fully_connected(node)
    if reason is not None or rows is None:
        return reason
    if node.inputs[0].type.elements > rows.shape[1]:
        return reject(node, rows)
    return _reject_row(node, rows)


def _bind_fully_connected(node: Node[FullyConnected]) -> Binding:
    """A single row eight channels at a time, several as pixels of a pointwise convolution."""
    x, weights = node.inputs[0].type, node.inputs[1].array
    depth = weights.shape[1]
    if x.elements == depth:
        return _bind_row(node, weights)
    params, constants = pack(node, weights)
    whole = -(-depth // 4) * 4
    return Binding(
        params={
            **row_window(node),
            **params,
            "input_zero": x.zero_point,
            "depth": whole,
        },
        constants=constants,
        scratch=columns_bytes(whole, depth, lanes=2),
        support=("tinyc_conv2d_halves.h",),
        tile=2,
        lanes=4,
    )


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_halves",
    "fully_connected_s8_halves.c.j2",
    REQUIRES,
    _reject_fully_connected,
    _bind_fully_connected,
    varying=VARYING,
    sized=("depth", "channels"),
)
