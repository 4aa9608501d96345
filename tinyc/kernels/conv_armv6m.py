"""Packing for the int8 kernels of cores with nothing but Armv6-M (Cortex-M0, M0+), whose long
multiplications are many instructions.

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Node
from ..ops._conv import channel_multipliers, filter_rows
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from .base import Binding, Constant, Kernel
from .conv import VARYING, clamp_params, largest_sums, window_params
from .conv_dsp import padded, reject, table

REQUIRES = frozenset({"armv6m"})
LARGEST_SUM = 1 << 23
"""Under it the product of a sum with a byte of its multiplier fits 32 bits."""


def reject_pairs(node: Node[Weighted], rows: Array) -> str | None:
    """Why a node of weights [channels, depth] cannot use tinyc_pairs_armv6m.h."""
    if node.op.float_scaled:
        return "scaled by a float32"
    reason = reject(node, rows)
    if reason:
        return reason
    pairs = padded(rows, 1, 2).astype(np.int64).reshape(len(rows), -1, 2)
    if np.any(np.maximum(pairs * -128, pairs * 127).sum(2) >= 1 << 15):
        return "two products could reach 2^15"
    used = rows.any(1)  # the others are constants, see `table`
    sums = largest_sums(node, rows)[used]
    if np.any(sums >= LARGEST_SUM):
        return "a sum could reach 2^23"
    multipliers, shifts = (words[used].astype(np.int64) for words in channel_multipliers(node))
    offset = abs(1 + 2 * node.output.type.zero_point) << (6 - shifts)
    if np.any((sums * multipliers >> 24) + offset + 64 + 128 >= 1 << 31):
        return "a scaled sum could reach 2^31"
    return None


def _order(channels: int) -> list[int]:
    """Channels two by two, those of an odd number as ``0 1 2 3 3 4``."""
    even = channels - channels % 2
    return [*range(even), *range(even - 1, channels)] if even < channels else [*range(even)]


def _pairs(rows: Array) -> Constant:
    """Weights [channels, depth] as tinyc_pairs_armv6m.h reads them."""
    packed = padded(rows[_order(len(rows))], 2, 4)
    quads = packed.reshape(len(packed) // 2, 2, -1, 4).transpose(0, 2, 1, 3)
    note = "weights of channel pairs, four inputs of each in turn"
    return Constant("weights", np.ascontiguousarray(quads), note)


def _paired_table(node: Node[Weighted], rows: Array) -> Constant:
    entries = table(node, rows, fold=True)
    return replace(entries, data=entries.data[_order(len(rows))])


# Convolution ------------------------------------------------------------------------------


def _reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights = node.inputs[0].type, node.inputs[1].type
    if weights.shape[3] != x.shape[3]:
        return "grouped"
    if weights.shape[0] == 1:
        return "one channel"
    return reject_pairs(node, filter_rows(node))


def _bind_conv(node: Node[Conv2d]) -> Binding:
    _, kh, kw, in_c = node.inputs[1].type.shape
    rows = filter_rows(node)
    weights = _pairs(rows)
    params = window_params(node, (kh, kw))
    depth = weights.data[0, :, 0].size
    return Binding(
        params={**params, **clamp_params(node), "input_zero": node.inputs[0].type.zero_point},
        constants=(weights, _paired_table(node, rows)),
        scratch=4 * depth + (in_c if params["padded"] else 0),
        support=("tinyc_conv2d_armv6m.h",),
        ordered=True,
        tile=2,
    )


CONV2D = Kernel(
    "conv2d_s8_armv6m",
    "conv2d_s8_armv6m.c.j2",
    REQUIRES,
    _reject_conv,
    _bind_conv,
    varying=VARYING,
)
