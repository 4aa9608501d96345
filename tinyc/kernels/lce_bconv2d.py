"""How C computes CUSTOM LceBconv2d."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, DType, Node
from ..ops._bits import WORD, pack, unpack, words
from ..ops._conv import NO_PADDING
from ..ops.lce_bconv2d import FixedPoint, LceBconv2d, possible
from .base import Binding, Constant, Kernel, provide, provide_tvm
from .conv import window_params
from .tvm import binary as tvm_binary


def fixed_point(node: Node[LceBconv2d], known: Array | None = None) -> FixedPoint | None:
    """Integers that give the int8 output of LCE's float32 formula for each sum that can occur;
    None if there are none.

    The number x of a sum is its ``twice``, which the activation has clamped; with ``known``,
    int64 [o], it is ``known - twice / 2``, and the bounds do the clamping. For a multiplier near
    the real one, each sum bounds the term from below and above. The term is taken from the
    middle of what they leave, with the shift in its low five bits.
    """
    op = node.op
    factor, term = (a.astype(np.float64) for a in op.transform(node))
    bare = Node(replace(op, inner_activation="none"), node.inputs, node.outputs, node.origin)
    twice = possible(node if known is None else bare)
    twice = np.broadcast_to(twice[:, None], (len(twice), len(factor)))
    y = op.finish(node, twice).astype(np.int64)
    bounds = np.stack([y.min(0), y.max(0)])
    if op.inner_activation == "none" or known is None:
        bounds = np.broadcast_to(np.array([[-128], [127]]), bounds.shape)
    x, slope = (twice, factor) if known is None else (known - twice // 2, -2 * factor)
    reach = np.abs(twice[[0, -1]] * factor + term).max(0)
    shifts = np.clip(np.floor(30.9 - np.log2(reach + 2)), 0, 24).astype(np.int64)
    found = np.zeros((len(factor), 2), np.int64)
    missing = np.arange(len(factor))
    for down in range(4):
        for delta in sorted(range(-16, 17), key=abs):
            shift = np.maximum(shifts[missing] - down, 0)
            multiplier = np.round(slope[missing] * (1 << shift)).astype(np.int64) + delta
            product = x[:, missing] * multiplier
            goal, (low, high) = y[:, missing], bounds[:, missing]
            # goal << shift <= product + term < (goal + 1) << shift, open where it saturates
            least = np.where(goal > low, (goal << shift) - product, -(1 << 62)).max(0)
            most = np.where(goal < high, ((goal + 1) << shift) - 1 - product, 1 << 62).min(0)
            least = np.maximum(least, -(1 << 31) - product.min(0))
            most = np.minimum(most, (1 << 31) - 1 - product.max(0))
            middle = ((least + most) // 2 & ~31) + shift
            good = (least <= middle) & (middle <= most)
            found[missing[good]] = np.stack([multiplier, middle], 1)[good]
            missing = missing[~good]
            if not len(missing):
                return FixedPoint(found.astype(np.int32), bounds.T.astype(np.int8))
    return None


# Kernels ----------------------------------------------------------------------------------


SUPPORT = ("tinyc_window.h", "tinyc_bits.h", "tinyc_bits_layer.h", "tinyc_bits_conv.h")
"""Of the portable kernels."""

_FIELDS = {
    DType.I32: {"limits": "limits"},
    DType.I8: {"known": "known", "scales": "channels", "bounds": "bounds"},
    DType.F32: {"known": "known", "factors": "channels"},
}
"""Field of ``struct tinyc_bits_tables`` -> constant, by what the kernel gives."""


def params(node: Node[LceBconv2d]) -> dict[str, Any]:
    """Sizes and the ending that every kernel's template takes."""
    op = node.op
    outs, kh, kw, depth = node.inputs[1].type.shape
    groups = words(op.channels) // depth
    low, high = op.clamps(node)
    return {
        **window_params(node, (kh, kw)),
        "channels": op.channels,
        "outs": outs,
        "depth": depth,
        "groups": groups,
        "zeros": op.pad_value == 0 and op.padding != NO_PADDING,
        "tap_channels": op.channels // groups,
        "ending": node.output.type.dtype.value,
        "out_type": node.output.type.dtype.c,
        "least": low,
        "most": high,
    }


def ending(node: Node[LceBconv2d], known: Array | None = None) -> tuple[Constant, ...]:
    """The constants of what follows the sums; known: see `fixed_point`."""
    op = node.op
    kind = node.output.type.dtype
    if kind is DType.I32:
        threshold = node.inputs[2].array
        twice = np.clip(threshold, -1, 2 * op.depth(node))
        note = "a sign is negative where twice the count exceeds this"
        return (Constant("thresholds", twice, note),)
    if kind is DType.F32:
        note = "factor and term of each channel"
        return (Constant("channels", np.stack(op.transform(node), 1), note),)
    fixed = fixed_point(node, known)
    assert fixed is not None
    factor, _ = op.transform(node)
    note = (
        f"multiplier, and term with the shift in its low five bits, of each channel; they stand "
        f"for factors of {factor.min():.6g} to {factor.max():.6g}"
    )
    found = [Constant("channels", fixed.table, note)]
    if known is not None and op.inner_activation != "none":
        note = "the least and the greatest output of each channel"
        found.append(Constant("bounds", fixed.bounds, note))
    return tuple(found)


def _bind(node: Node[LceBconv2d]) -> Binding:
    weights = node.inputs[1].array
    packed = Constant("weights", weights.view(np.uint32), "weights, OHWI, 32 channels to a word")
    return Binding(
        params=params(node),
        constants=(packed, *ending(node)),
        support=SUPPORT,
    )


def reject_fixed_point(node: Node[LceBconv2d]) -> str | None:
    """Why the int8 output cannot be computed in integers, if it cannot."""
    if node.output.type.dtype is DType.I8 and fixed_point(node) is None:
        return "32 bits do not hold its rescaling"
    return None


LARGEST_OFFSET = 1 << 16
"""Byte offsets of rows of weights are listed as 16-bit numbers."""

LANE = np.arange(WORD).reshape(8, 4).T.ravel()
"""Channel of each bit of a row of weights: bit i + 8 j is that of channel 4 i + j, which makes the
bytes of the counts come out in the order of channels (tinyc_bits_bytes)."""


def _reject_sliced(node: Node[LceBconv2d]) -> str | None:
    op = node.op
    if words(op.channels) != node.inputs[1].type.shape[3]:
        return "grouped"
    outs = node.inputs[1].type.shape[0]
    if 2 * outs < WORD:
        return f"only {outs} of the {WORD} channels of a word"
    if op.pad_value == 0 and op.padding != NO_PADDING and op.channels % 2:
        return "padded with zeros that are half a channel"
    if 4 * op.depth(node) >= LARGEST_OFFSET:
        return f"sums {op.depth(node)} products, more than 16-bit offsets reach"
    if node.output.type.dtype is DType.I8 and fixed_point(node, _known(node)) is None:
        return "32 bits do not hold its rescaling"
    return None


def _known(node: Node[LceBconv2d]) -> Array:
    """W + K of each channel, int64 [o]: W of its weights are -1."""
    return np.asarray(_weights_in_borders(node)[2][0] + node.op.depth(node))


def _weights_in_borders(node: Node[LceBconv2d]) -> tuple[Array, Array, Array]:
    """The kinds of border that a window may overlap where padding is of zeros, the inside first:
    indices of rows [oh] and of columns [ow], whose sum is a kind, and W of each kind and channel
    int64 [kinds, o]: its weights of -1 inside of the image, and half of those outside."""
    op, weights = node.op, node.inputs[1].array
    bits = unpack(weights, op.channels)
    each = bits.sum(3).astype(np.int64)  # of each tap
    _, oh, ow, _ = node.output.type.shape
    kernel = weights.shape[1:3]
    if op.pad_value != 0 or op.padding == NO_PADDING:
        return np.zeros(oh, np.int64), np.zeros(ow, np.int64), each.sum((1, 2))[None]
    size = node.inputs[0].type.shape[1:3]

    def kinds(axis: int, out: int) -> tuple[Array, Array]:
        starts = np.arange(out) * op.stride[axis] - op.padding[axis][0]
        taps = starts[:, None] + np.arange(kernel[axis]) * op.dilation[axis]
        inside = (taps >= 0) & (taps < size[axis])
        whole = np.ones((1, kernel[axis]), bool)
        unique, index = np.unique(np.concatenate([whole, inside]), axis=0, return_inverse=True)
        order = np.argsort(-unique.sum(1), kind="stable")  # the inside first
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return unique[order], place[index.ravel()][1:]

    (row_kinds, rows), (column_kinds, columns) = kinds(0, oh), kinds(1, ow)
    inside = row_kinds[:, None, :, None] & column_kinds[None, :, None, :]
    inside = inside.reshape(-1, 1, *kernel)
    half = np.where(inside, 0, op.channels // 2).sum((2, 3))
    return rows * len(column_kinds), columns, (each * inside).sum((2, 3)) + half


def _bind_sliced(node: Node[LceBconv2d]) -> Binding:
    """Weights across output channels: a row of words for each input bit.

    With n inputs that are -1 and S of the weights that are -1 among theirs, p = n + W - 2 S,
    where W counts all of the channel's weights that are -1. The kernel counts 2 S + K - n, which
    is W + K - p: below W + K - threshold where p exceeds it. If most inputs are -1 it lists those
    that are +1 instead, and the same count is p + W: not below W + threshold + 1 where p exceeds.
    """
    op, weights = node.op, node.inputs[1].array
    outs, depth = len(weights), op.depth(node)
    missing = -outs % WORD
    packed = node.output.type.dtype is DType.I32
    bits = unpack(weights, op.channels).reshape(outs, -1, op.channels)
    # within a word of inputs, the rows descend
    order = np.concatenate(
        [np.arange(i, min(i + WORD, op.channels))[::-1] for i in range(0, op.channels, WORD)]
    )
    rows = np.pad(bits[:, :, order].reshape(outs, depth), ((0, missing), (0, 1)))
    rows = rows.reshape(-1, WORD, depth + 1)
    sliced = pack((rows if packed else rows[:, LANE]).transpose(0, 2, 1))[..., 0].view(np.uint32)
    note = "weights: for 32 output channels, a word for each input, then one of zeros"
    planes = (2 * depth).bit_length()
    row_kinds, column_kinds, known = _weights_in_borders(node)
    border = len(known) > 1
    constants = [Constant("weights", sliced, note)]
    if border:
        note = "kind of border of each row, and of each column"
        constants.append(Constant("rows", row_kinds.astype(np.uint16), note))
        constants.append(Constant("columns", column_kinds.astype(np.uint16), note))
    if packed:
        threshold = node.inputs[2].array
        threshold = np.clip(threshold.astype(np.int64) >> 1, -1, depth)
        pair = np.stack([known + depth - threshold, known + threshold + 1], 1)
        # channels that are not there: nothing is below 0, and everything below the most
        most = (1 << planes) - 1
        pair = np.pad(np.clip(pair, 0, most), ((0, 0), (0, 0), (0, missing)))
        if missing:
            pair[:, 1, outs:] = most
        limits = pair.reshape(len(known), 2, -1, WORD).transpose(0, 2, 1, 3)
        across = pack(((limits[..., None, :] >> np.arange(planes)[:, None]) & 1).astype(bool))
        note = "limits of the counts: for 32 output channels, bits 0, 1, ... of one, then the other"
        constants.append(Constant("limits", across[..., 0].view(np.uint32), note))
    else:
        constants.append(
            Constant("known", known.astype(np.int16), "how many weights of each channel are -1")
        )
        constants += ending(node, _known(node) if node.output.type.dtype is DType.I8 else None)
    fields = {"weights": "weights", "rows": "rows", "columns": "columns"}
    fields |= _FIELDS[node.output.type.dtype]
    names = [constant.suffix for constant in constants]
    limit = min(depth, -(-9 * depth // 256) * 16)  # 9/16 of the inputs, in whole sixteens
    return Binding(
        params={
            **params(node),
            "bits": depth,
            "planes": planes,
            "slots": max(planes, 5) if packed else 16,
            "limit": limit,
            "tables": [(field, name) for field, name in fields.items() if name in names],
        },
        constants=tuple(constants),
        scratch=2 * (limit + 48),
        support=(*SUPPORT[:-1], "tinyc_bits_sum.h", "tinyc_bits_sliced.h"),
    )


provide(
    LceBconv2d,
    Kernel(
        "lce_bconv2d_sliced",
        "lce_bconv2d_sliced.c.j2",
        frozenset(),
        _reject_sliced,
        _bind_sliced,
    ),
    Kernel("lce_bconv2d_scalar", "lce_bconv2d_scalar.c.j2", frozenset(), reject_fixed_point, _bind),
)
provide_tvm(
    LceBconv2d,
    tvm_binary.binary_kernel(reject_fixed_point, ending),
)
