"""Packing for the int8 kernels of cores with nothing but Armv6-M (Cortex-M0, M0+), whose long
multiplications are many instructions.

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, DType, Node
from ..ops._conv import channel_multipliers, clamp_output, filter_rows, rescaled
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.depthwise_conv2d import DepthwiseConv2d, depthwise_conv2d_rows, flat
from ..ops.fully_connected import FullyConnected
from .base import AIMS, Binding, Constant, Kernel
from .conv import VARYING, clamp_params, extreme_sums, largest_sums, window_params
from .conv_dsp import padded, reject, table
from .narrow import narrowed, pack_bits

REQUIRES = frozenset({"armv6m"})
PLANE_BYTES = 2048
"""Of a channel's image that tinyc_depthwise_armv6m.h lays out at a time, but for one column."""
STRIP_BYTES = 512
"""The same of some rows."""


def live(node: Node[Weighted], rows: Array) -> Array:
    """Weights [channels, depth], with zeros for those of channels that are one number whatever the
    inputs are."""
    sums = np.stack(extreme_sums(node, rows))
    least, greatest = clamp_output(node, rescaled(node, sums) + node.output.type.zero_point)
    fixed = (least == greatest) & (abs(sums) < 1 << 31).all(0)
    return np.where(fixed[:, None], 0, rows).astype(np.int8)


def _reject(
    node: Node[Weighted], rows: Array, parts: int, bits: int, largest_shift: int = -1
) -> str | None:
    """Why a node of live weights [channels, depth] cannot be scaled by the lower ``parts`` of a
    multiplier, of so many ``bits`` each, and by what is left; see `conv_dsp.reject`."""
    reason = reject(node, rows, largest_shift)
    if reason:
        return reason
    used = rows.any(1)  # the others are constants, see `table`
    sums = largest_sums(node, rows)[used]
    if np.any(sums >= 1 << (31 - bits)):
        return f"a sum could reach 2^{31 - bits}"
    rest = 31 - parts * bits  # that a product is then shifted right by to be whole
    multipliers, shifts = (words[used].astype(np.int64) for words in channel_multipliers(node))
    offset = abs(1 + 2 * node.output.type.zero_point) << (rest - 1 - shifts)
    if np.any((sums * multipliers >> parts * bits) + offset + (3 << (rest - 1)) >= 1 << 31):
        return "a scaled sum could reach 2^31"
    return None


def _reject_pairs(node: Node[Weighted], rows: Array, parts: int, bits: int) -> str | None:
    """Why two outputs in a register do not do for a node of weights [channels, depth], in the order
    in which a kernel adds them by twos; parts, bits: of its multiplications, see `_reject`."""
    if node.inputs[0].type.dtype is not DType.I8:
        return "not int8"
    if node.op.float_scaled:
        return "scaled by a float32"
    rows = live(node, rows)
    pairs = padded(rows, 1, 2).astype(np.int64).reshape(len(rows), -1, 2)
    if np.any(np.maximum(pairs * -128, pairs * 127).sum(2) >= 1 << 15):
        return "two products could reach 2^15"
    return _reject(node, rows, parts, bits)


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


def scaling(node: Node[Weighted], rows: Array) -> tuple[int, str]:
    """Of live weights [channels, depth] that 8 bits do for: how many bits a piece of a multiplier
    has, and which functions scale sums so."""
    bits = 8 if _reject(node, rows, 2, 10) else 10
    return bits, f"{bits}{_away(node)}"


def _away(node: Node[Weighted]) -> str:
    """What names of functions have that round halves of negative sums away from zero."""
    clamp = clamp_params(node)
    return "" if clamp["low"] == clamp["zero_point"] else "_away"


# Convolution ------------------------------------------------------------------------------


def reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights = node.inputs[0].type, node.inputs[1].type
    if weights.shape[3] != x.shape[3]:
        return "grouped"
    if weights.shape[0] == 1:
        return "one channel"
    return _reject_pairs(node, filter_rows(node), 3, 8)


def _bind_conv(node: Node[Conv2d], bits: int = 8) -> Binding:
    """bits: of a weight."""
    _, kh, kw, in_c = node.inputs[1].type.shape
    rows = live(node, filter_rows(node))
    weights = _pairs(rows)
    params = window_params(node, (kh, kw))
    depth = weights.data[0, :, 0].size
    if bits < 8:
        weights = replace(weights, data=pack_bits(weights.data, bits))
    outputs = {8: "pair", 4: "nibble", 2: "crumb"}[bits]
    return Binding(
        params={
            **params,
            **clamp_params(node),
            "input_zero": node.inputs[0].type.zero_point,
            "bits": bits,
            "outputs": f"tinyc_{outputs}_outputs_{scaling(node, rows)[1]}",
        },
        constants=(weights, _paired_table(node, rows)),
        scratch=4 * depth + (in_c if params["padded"] else 0),
        support=(f"tinyc_conv2d{'_narrow' if bits < 8 else ''}_armv6m.h",),
        ordered=True,
        tile=2,
        lanes=2,
    )


CONV2D = Kernel(
    "conv2d_s8_armv6m",
    "conv2d_s8_armv6m.c.j2",
    REQUIRES,
    reject_conv,
    _bind_conv,
    varying=VARYING,
)
NARROW_CONV2D = narrowed(CONV2D, _bind_conv, frozenset(AIMS))


# Depthwise convolution --------------------------------------------------------------------


def _axes(node: Node[DepthwiseConv2d]) -> tuple[int, int]:
    """The axes, of height and width, along which outputs are pairs, and across: what takes fewer
    pairs."""
    return (0, 1) if _pairs_along(node, 0) <= _pairs_along(node, 1) else (1, 0)


def _pairs_along(node: Node[DepthwiseConv2d], axis: int) -> int:
    """Pairs of outputs of a channel along an axis."""
    sizes = node.output.type.shape[1:3]
    return -(-sizes[axis] // 2) * sizes[1 - axis]


def _taps(node: Node[DepthwiseConv2d], axes: tuple[int, int]) -> Array:
    """int8 [channels, across, along]: the weights, along an even number but of 3x3."""
    along, across = axes
    rows = depthwise_conv2d_rows(node).transpose(0, 1 + across, 1 + along)
    missing = rows.shape[2] % 2 if rows.shape[1:] != (3, 3) else 0
    return np.pad(rows, ((0, 0), (0, 0), (0, missing)))


def _reject_depthwise(node: Node[DepthwiseConv2d]) -> str | None:
    if node.op.dilation != (1, 1):
        return "dilated"
    if max(node.output.type.shape[1:3]) < 2:
        return "one output"
    for axes in ((0, 1), (1, 0)):
        taps = _taps(node, axes)
        reason = _reject_pairs(node, taps.reshape(len(taps), -1), 2, 10)
        if reason:
            return reason
    return None


def _bind_depthwise(node: Node[DepthwiseConv2d]) -> Binding:
    found = _bind_whole(node)
    if node.output.type.shape[2] < 2:
        return found
    return replace(found, strips=_bind_planes(node, (1, 0), STRIP_BYTES))


def _bind_whole(node: Node[DepthwiseConv2d]) -> Binding:
    """What takes less memory: outputs that lie behind the rows that have been read, or over the
    inputs of the same columns and channels, each channel of which is laid out as a whole before it
    is written to."""
    x, y = node.inputs[0].type, node.output.type
    bound = _bind_planes(node, _axes(node), PLANE_BYTES)
    apart = y.bytes + bound.scratch
    if y.shape[2] > 1:
        bound = _bind_planes(node, (1, 0), PLANE_BYTES)
        rows = bound.params["columns"]
        bound = replace(bound, ordered=True, rows=rows)
        apart = rows * y.bytes // y.shape[1] + bound.scratch
    if x.shape[2:] == y.shape[2:] and (x.shape == y.shape or x.shape[0] == 1):
        onto = _bind_planes(node, _axes(node), apart)
        if onto.params["columns"] == onto.params["across"][1]:
            return replace(onto, inplace=0)
    return bound


def _bind_planes(node: Node[DepthwiseConv2d], axes: tuple[int, int], bytes: int) -> Binding:
    """axes: along which outputs are pairs, and across; bytes: of a channel's image at a time, but
    for one line of outputs."""
    x, y, op = node.inputs[0].type, node.output.type, node.op
    taps = _taps(node, axes)
    taps = live(node, taps.reshape(len(taps), -1)).reshape(taps.shape)
    _, kh, kw, _ = node.inputs[1].type.shape
    kernel = kh, kw
    in_steps, out_steps = ((t.shape[2] * t.shape[3], t.shape[3]) for t in (x, y))

    def axis(a: int) -> tuple[int, ...]:
        sizes = x.shape[1 + a], y.shape[1 + a], kernel[a], op.stride[a], op.padding[a][0]
        return *sizes, in_steps[a], out_steps[a]

    along, across = (axis(a) for a in axes)
    length = (along[1] - 2) * along[3] + taps.shape[2]
    fitting = (bytes // (4 * length) - across[2]) // across[3] + 1
    columns = min(across[1], max(1, fitting))
    plane = (columns - 1) * across[3] + across[2]
    return Binding(
        params={
            **window_params(node, kernel),
            **clamp_params(node),
            "input_zero": x.zero_point,
            "multiplier": op.multiplier,
            "along": along,
            "across": across,
            "taps": taps.shape[2],
            "length": length,
            "columns": columns,
            "run": f"tinyc_depthwise_{'3x3' if kernel == (3, 3) else 'any'}{_away(node)}",
        },
        constants=(
            Constant("weights", taps, "weights, channel by channel, column by column"),
            table(node, live(node, flat(node)), fold=True),
        ),
        scratch=4 * (taps[0].size + length * plane),
        support=("tinyc_depthwise_armv6m.h",),
    )


DEPTHWISE_CONV2D = Kernel(
    "depthwise_conv2d_s8_armv6m",
    "depthwise_conv2d_s8_armv6m.c.j2",
    REQUIRES,
    _reject_depthwise,
    _bind_depthwise,
    varying=VARYING,
    aims=frozenset({"balanced", "speed", "flash"}),  # lays out images in scratch memory
)


# Fully connected --------------------------------------------------------------------------


def _reject_fully_connected(node: Node[FullyConnected]) -> str | None:
    if node.inputs[0].type.dtype is not DType.I8:
        return "not int8"
    if node.op.float_scaled:
        return "scaled by a float32"
    return _reject(node, live(node, node.inputs[1].array), 3, 8, largest_shift=0)


def _bind_fully_connected(node: Node[FullyConnected], bits: int = 8) -> Binding:
    """bits: of a weight."""
    most = 1 << (bits - 1)
    rows = live(node, node.inputs[1].array)
    channels, depth = rows.shape
    packed = padded(rows, 4, 4)
    groups = packed.reshape(len(packed) // 4, 4, -1).transpose(0, 2, 1).astype(np.int16) + most
    data = groups.astype(np.uint8) if bits == 8 else pack_bits(groups, bits).view(np.uint8)
    note = f"weights of four channels, input by input, and {most}"
    return Binding(
        params={
            "batches": node.inputs[0].type.elements // depth,
            "depth": depth,
            "channels": channels,
            "padded": depth % 4 != 0,
            "bits": bits,
            **clamp_params(node),
        },
        constants=(
            Constant("weights", data, note),
            table(node, rows, fold=True, single=True),
        ),
        scratch=packed.shape[1] if depth % 4 else 0,
        support=("tinyc_dense_armv6m.h",),
    )


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_armv6m",
    "fully_connected_s8_armv6m.c.j2",
    REQUIRES,
    _reject_fully_connected,
    _bind_fully_connected,
    varying=VARYING,
)
NARROW_FULLY_CONNECTED = narrowed(FULLY_CONNECTED, _bind_fully_connected)
