"""Packing for the int8 depthwise convolution by pairs of lines, of cores with the DSP extension.

The layouts are those of ``firmware/kernels/tinyc_planar.h`` and ``tinyc_depthwise_planar.h``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Node
from ..ops.depthwise_conv2d import DepthwiseConv2d, depthwise_conv2d_rows
from .base import AIMS, Binding, Constant, Kernel
from .conv import clamp_params, fours
from .conv_dsp import REQUIRES, reject_depthwise, table
from .cost import cycles

STEPS = {1: 6, 2: 4}
"""Stride -> outputs of a round of the unrolled loop."""
SIZED = (
    "half", "rounds", "entry", "channels", "lines", "positions", "line", "position", "above",
    "before", "after", "out_lines", "out_positions", "out_line", "out_position", "low", "high",
)  # fmt: skip
"""In what layers of a stride may differ, see `Kernel.sized`."""
CORE = "Cortex-M4"
"""By whose prices lines are chosen."""


def _reject(node: Node[DepthwiseConv2d]) -> str | None:
    weights = node.inputs[1]
    if weights.type.shape[1:3] != (3, 3) or node.op.dilation != (1, 1):
        return "no 3x3 kernel without dilation"
    if node.op.stride not in ((1, 1), (2, 2)):
        return "strides other than 1x1 and 2x2"
    if node.op.float_scaled:
        return "float32 scales"
    return reject_depthwise(node) or _reject_addend(node)


def _reject_addend(node: Node[DepthwiseConv2d]) -> str | None:
    """SMMLAR adds the high product, and the sign of the sum, to what rounds it and holds the zero
    point: all in 32 bits."""
    rows = depthwise_conv2d_rows(node).reshape(node.output.type.shape[3], -1).astype(np.int64)
    biases, multipliers, shifts = _requantization(node)
    sums = 256 * np.abs(rows).sum(1) + np.abs(node.inputs[2].array.astype(np.int64).ravel())
    sums = np.where(rows.any(1), sums, np.abs(biases))
    addends = abs(1 + 2 * node.output.type.zero_point) << (shifts - 1)
    if np.any((sums * multipliers >> 31) + addends + 2 >= 1 << 31):
        return "a scaled sum with its rounding constant could reach 2^31"
    return None


def _requantization(node: Node[DepthwiseConv2d]) -> tuple[Array, Array, Array]:
    """Biases with the input's zero point in them, multipliers, right shifts (at least 1), of each
    channel; int64."""
    rows = depthwise_conv2d_rows(node).reshape(node.output.type.shape[3], -1)
    biases, multipliers, steps = table(node, rows, fold=True).data[: len(rows)].T.astype(np.int64)
    return biases, multipliers, steps + 1


def _entries(node: Node[DepthwiseConv2d], upright: bool) -> Array:
    """The five words of each channel. upright: lines are columns."""
    rows = depthwise_conv2d_rows(node)
    w = rows.transpose(0, 2, 1) if upright else rows
    biases, multipliers, shifts = _requantization(node)
    first = w[:, [0, 0, 1, 1], [0, 1, 0, 1]]
    second = w[:, [0, 2, 1, 2], [2, 0, 2, 1]]
    last = 2 * w[:, 2, 2].astype(np.int64) << 16 | shifts
    packed = np.concatenate([first, second], 1).copy().view("<i4")
    words = np.stack([packed[:, 0], packed[:, 1], last, 2 * biases, multipliers], 1)
    return np.asarray(words, np.int32)


def _in_place(node: Node[DepthwiseConv2d], across: int) -> bool:
    """Whether outputs may lie over inputs: none is written to a pixel that is read later. One
    step after the other reads a pair of lines, then writes what sees no later one."""
    _, *image, _ = node.inputs[0].type.shape
    stride, above = node.op.stride[0], node.op.padding[across][0]
    read = (np.indices(image)[across].ravel() + above) // 2 - 1
    written = np.indices(node.output.type.shape[1:3])[across].ravel() // (3 - stride)
    shared = min(read.size, written.size)
    return bool(np.all(written[:shared] >= read[:shared]))


def _bind(node: Node[DepthwiseConv2d]) -> Binding:
    """By the lines that take less time on a Cortex-M4; strips are rows."""
    rows, columns = (_bind_lines(node, across) for across in (0, 1))
    shorter = min(rows, columns, key=lambda lines: cycles(node, DEPTHWISE_CONV2D, lines, CORE))
    return replace(shorter, strips=rows)


def _bind_lines(node: Node[DepthwiseConv2d], across: int) -> Binding:
    """across: the axis of the lines' order, 0 if they are rows."""
    x, y = node.inputs[0].type, node.output.type
    _, *image, channels = x.shape
    _, *out_image, _ = y.shape
    along = 1 - across
    pitch, out_pitch = (image[1] * channels, channels), (out_image[1] * channels, channels)
    stride, before = node.op.stride[0], node.op.padding[along][0]
    seen = (out_image[along] - 1) * stride + 3 - before
    rounds = -(-out_image[along] // STEPS[stride])
    pairs = -(-out_image[across] // (3 - stride))
    clamp = clamp_params(node)
    suffix = "" if clamp["low"] >= clamp["zero_point"] else "_signed"
    return Binding(
        params={
            "function": f"tinyc_depthwise_planar_{stride}{suffix}",
            "two": stride == 1,
            "half": 1 + 2 * y.zero_point,
            "rounds": rounds,
            "entry": rounds * STEPS[stride] - out_image[along],
            "channels": channels,
            "lines": image[across], "positions": min(seen, image[along]),
            "line": pitch[across], "position": pitch[along],
            "above": node.op.padding[across][0],
            "before": before, "after": max(seen - image[along], 0),
            "out_lines": out_image[across], "out_positions": out_image[along],
            "out_line": out_pitch[across], "out_position": out_pitch[along],
            "zero": x.zero_point,
            **clamp,
        },
        constants=(
            Constant(
                "channels",
                _entries(node, across == 1)[fours(channels)],
                "weights and right shift, bias with the input offset, multiplier of each channel",
            ),
        ),
        scratch=32 * (before + seen) + 16 * pairs + 8 * out_image[along],
        strip_scratch=8 * (2 - stride),  # of an odd number of rows, half a pair
        row_scratch=8 * stride,
        support=("tinyc_depthwise_planar.h",),
        onto=0 if _in_place(node, across) else None,
    )  # fmt: skip


DEPTHWISE_CONV2D = Kernel(
    "depthwise_conv2d_s8_planar",
    "depthwise_conv2d_s8_planar.c.j2",
    REQUIRES,
    _reject,
    _bind,
    varying=(),
    aims=frozenset(AIMS) - {"flash"},
    sized=SIZED,
)
