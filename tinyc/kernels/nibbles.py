"""Int8 kernels of cores with the DSP extension for weights that lie in 4 or 2 bits, whatever their
scale, see ``firmware/kernels/tinyc_nibbles.h``."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..ir import Array, Node
from ..ops._conv import channel_multipliers
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.fully_connected import FullyConnected
from . import halves
from .base import Binding, Constant, Kernel, Pointless
from .conv import SIZED, VARYING, clamp_params, extreme_sums, fours, sees_all, window_params
from .conv_dsp import (
    ONCE_SHIFT,
    REQUIRES,
    conv_rows,
    reject_conv,
    reject_fully_connected,
    row_window,
)
from .narrow import BITS, SLOWER, reject_bits

LEAST_WEIGHTS = 1024
"""Of a layer: the bytes that fewer spare are not worth the code."""
SCALES = {"away": 1, "lowest": 8, "steep": 8, "once": 0, "steep_once": 8}
"""By how many bits the sums are shifted up that outputs are made of, by how they are rounded."""
STEEP_ONCE = (-16, ONCE_SHIFT + SCALES["steep_once"])
"""The least and the largest shift of multipliers that are rounded so: under 2**6, and such that the
zero point, shifted up as the product is down again, stays under 2**30."""
WINDOWS_BYTES = {4: 1024, 2: 2048}
"""By bits, of the windows of pixels side by side, which cost memory and spare cycles: two pixels'
may take more. With 2 bits two pixels' lie between each other, and take twice as much."""
MOST_CONSTANT = 1 << 18
"""Of the sum of a channel without weights, which is beyond all outputs already."""


def reject(node: Node[Weighted], rows: Array, bits: int, width: int = 4) -> str | None:
    """Why a node that `conv_dsp.reject` takes cannot be computed by weights of so many ``bits``.
    rows: the weights as [channels, depth]; width: how many channels the kernel takes at once."""
    if reason := reject_bits(rows, bits):
        return reason
    if rows.size < LEAST_WEIGHTS:
        return Pointless("too small for code of its own")
    if len(rows) < width:
        return f"less than {width} channels"
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    used = rows.any(1)
    if _is_steep_once(node, rows) and channel_multipliers(node)[1][used].min() < STEEP_ONCE[0]:
        return "multipliers both of 1/4 and under 2^-17"
    sums = np.where(used, np.abs(extreme_sums(node, rows)).max(0), 0)
    raised = np.where(used, np.abs(_raised_sums(node, rows, 1 << bits - 1)).max(0), 0)
    places = np.array(fours(len(rows), width))
    for field in range(4):
        # In a word lie 256 times the sum of a channel, and that sum as it stands in its field,
        # of all fields but the last with what is added to the weights.
        limits = [(sums, max(8, field * bits)), (raised, field * bits if field < 3 else 0)]
        for reached, shift in limits:
            if np.any(reached[places[field::4]] >= 1 << 31 - shift):
                return f"a sum of every fourth channel could reach 2^{31 - shift}"
    return None


def _is_steep_once(node: Node[Weighted], rows: Array) -> bool:
    """Whether sums are rounded once by multipliers that need more room than a product leaves."""
    shifts = channel_multipliers(node)[1]
    return node.op.rounds_once and bool(np.any(shifts[rows.any(1)] > ONCE_SHIFT))


def _raised_sums(node: Node[Weighted], rows: Array, offset: int) -> Array:
    """int64 [2, channels]: the least and the greatest sums of ``rows`` with the ``offset`` added to
    each weight, which is not made up for by the bias."""
    zeros = node.inputs[0].type.zero_point * offset * rows.shape[1]
    return np.asarray(extreme_sums(node, rows.astype(np.int64) + offset)) + zeros


def pack(
    node: Node[Weighted], rows: Array, bits: int, width: int = 4, alike: bool = False
) -> tuple[dict[str, Any], tuple[Constant, Constant]]:
    """As `halves.pack`, by weights of so many ``bits``."""
    channels, depth = rows.shape
    places = fours(channels, width)
    offset = 1 << bits - 1
    fields = np.zeros((len(places), -(-depth // 4) * 4), np.int64)
    fields[:, :depth] = rows[places]
    for field in range(3):
        fields[field::4, :depth] += offset
    ups = bits * np.arange(4)
    together = (fields.reshape(-1, 4, fields.shape[1]) << ups[:, None]).sum(1)
    # [four, quad, half, parity], where k = 2 * half + parity
    quads = together.reshape(len(together), -1, 2, 2)
    words = _words(quads.swapaxes(2, 3).astype(np.int16) if bits == 4 else quads.astype(np.int8))
    if width == 8:  # [eight, four, quad, word] -> [eight, quad, word, four]
        words = words.reshape(-1, 2, *words.shape[1:]).transpose(0, 2, 3, 1)
    known, rounding = halves.entries(node, rows, alike, ("steep", "lowest"))
    table = known.data.astype(np.int64)
    if _is_steep_once(node, rows):
        rounding = "steep_once"
        table[:, 2] += SCALES[rounding]
    table[~rows.any(1), 0] = table[~rows.any(1), 0].clip(-MOST_CONSTANT, MOST_CONSTANT)
    table = table[places]
    table[:, 0] = (table[:, 0].reshape(-1, 4) << ups).cumsum(1).ravel()
    kind = "" if width == 4 else "dense_"
    return (
        {
            **clamp_params(node),
            "bits": bits,
            "offset": offset << SCALES[rounding],
            "tile": f"tinyc_{kind}int{bits}_{rounding}",
        },
        (
            Constant("weights", np.ascontiguousarray(words), f"weights of {bits} bits each"),
            Constant(known.suffix, table.astype(np.int32), known.note),
        ),
    )


def _words(fields: Array) -> Array:
    """int32 [four, quad, word] of the fields of four inputs each, int8 or int16, in that order."""
    flat = np.ascontiguousarray(fields).reshape(*fields.shape[:2], 4)
    return np.asarray(flat.view(np.int32))


# A single row of inputs --------------------------------------------------------------------


def _reject_row(node: Node[Weighted], rows: Array, bits: int) -> str | None:
    if rows.shape[1] % 4:
        return "inputs are no multiple of 4"
    return reject(node, rows, bits, 8)


def _bind_row(node: Node[Weighted], rows: Array, bits: int) -> Binding:
    channels, depth = rows.shape
    params, constants = pack(node, rows, bits, 8)
    return Binding(
        params={**params, "rows": 1, "depth": depth, "channels": channels},
        constants=constants,
        support=("tinyc_dense_nibbles.h",),
        lanes=8,
    )


# Convolution --------------------------------------------------------------------------------


def _by_columns(filters: Array) -> tuple[Array, int]:
    """[channels, depth] of filters [channels, kernel_h, kernel_w, in_c] as the columns of
    ``firmware/kernels/tinyc_summed_columns.h`` have the inputs, and how many a column has."""
    columns = filters.swapaxes(1, 2).reshape(len(filters), filters.shape[2], -1)
    whole = np.pad(columns, ((0, 0), (0, 0), (0, -columns.shape[2] % 4)))
    return whole.reshape(len(filters), -1), whole.shape[2]


def _reject_conv(node: Node[Conv2d], bits: int) -> str | None:
    rows = conv_rows(node)
    reason = reject_conv(node)
    return reason if reason is not None or rows is None else reject(node, rows, bits)


def _bind_conv(node: Node[Conv2d], bits: int, alike: bool = False) -> Binding:
    """A single pixel as a row of inputs, eight channels at a time, unless all are to be ``alike``,
    so that code is small."""
    rows = conv_rows(node)
    assert rows is not None
    if not alike and sees_all(node) and _reject_row(node, rows, bits) is None:
        return _bind_row(node, rows, bits)
    _, kh, kw, _ = node.inputs[1].type.shape
    window = window_params(node, (kh, kw))
    return _windows(node, node.inputs[1].array, window, bits, alike, ordered=True)


def _windows(
    node: Node[Weighted],
    filters: Array,
    window: dict[str, Any],
    bits: int,
    alike: bool = False,
    ordered: bool = False,
) -> Binding:
    """Two pixels at a time, whose windows are scratch, as are sums of inputs.
    filters: [channels, kernel_h, kernel_w, in_c]."""
    rows, depth = _by_columns(filters)
    params, constants = pack(node, rows, bits, alike=alike)
    taps, step = window["kernel_w"], window["stride_w"]
    columns, seen = max(WINDOWS_BYTES[bits] // (2 * depth), 2 * taps), 2 * taps
    pairs, between = 1, 1
    if taps > step and window["dilation_w"] == 1:
        # Where two pixels' lie between each other, columns that both see are there twice.
        most = max(1, window["out_w"] // 2)
        pairs = min(1 + (columns - taps - step) // (2 * step), most)
        between = min(1 + (columns // 2 - taps) // (2 * step), most)
        columns = max(
            2 * taps,
            (2 * pairs - 1) * step + taps if bits == 4 else 2 * (2 * (between - 1) * step + taps),
        )
        between = min(1 + (columns // 2 - taps) // (2 * step), most)
        seen = max(seen, (2 * max(pairs, between) - 1) * step + taps)
    else:
        columns = 2 * taps
    return Binding(
        params={
            **window,
            **params,
            "input_zero": node.inputs[0].type.zero_point,
            "depth": taps * depth,
            "columns_bytes": 2 * depth * columns,
            "pairs": pairs,
            "pairs_between": between,
        },
        constants=constants,
        scratch=2 * depth * columns + (depth if window["in_c"] % 4 else 0) + 4 * seen,
        support=("tinyc_conv2d_nibbles.h",),
        ordered=ordered,
        tile=2,
        lanes=4,
    )


def _conv2d(bits: int) -> tuple[Kernel[Conv2d], Kernel[Conv2d]]:
    name, template = f"conv2d_s{bits}_dsp", "conv2d_s8_nibbles.c.j2"
    refuse, bind = partial(_reject_conv, bits=bits), partial(_bind_conv, bits=bits)
    return (
        Kernel(
            name, template, REQUIRES, refuse, bind,
            varying=VARYING, aims=SLOWER - {"flash"}, special=True,
        ),
        Kernel(
            f"{name}_alike", template, REQUIRES, refuse, partial(bind, alike=True),
            varying=VARYING, sized=(*SIZED, "depth", "columns_bytes", "pairs", "pairs_between"),
            aims=frozenset({"flash"}), special=True,
        ),
    )  # fmt: skip


CONV2D = tuple(kernel for bits in BITS for kernel in _conv2d(bits))


# Fully connected --------------------------------------------------------------------------


def _reject_fully_connected(node: Node[FullyConnected], bits: int) -> str | None:
    rows = node.inputs[1].data
    reason = reject_fully_connected(node, STEEP_ONCE[1])
    if reason is not None or rows is None:
        return reason
    if node.inputs[0].type.elements > rows.shape[1]:
        return reject(node, rows, bits)
    return _reject_row(node, rows, bits)


def _bind_fully_connected(node: Node[FullyConnected], bits: int) -> Binding:
    """A single row eight channels at a time, several as pixels of a pointwise convolution."""
    x, weights = node.inputs[0].type, node.inputs[1].array
    if x.elements == weights.shape[1]:
        return _bind_row(node, weights, bits)
    return _windows(node, weights[:, None, None], row_window(node), bits)


FULLY_CONNECTED = tuple(
    Kernel(
        f"fully_connected_s{bits}_dsp", "fully_connected_s8_nibbles.c.j2", REQUIRES,
        partial(_reject_fully_connected, bits=bits), partial(_bind_fully_connected, bits=bits),
        varying=VARYING, sized=("depth", "channels"), aims=SLOWER, special=True,
    )
    for bits in BITS
)  # fmt: skip
