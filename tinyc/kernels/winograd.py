"""3x3 convolutions of int8 by Winograd's minimal filtering, for cores with the DSP extension:
fewer products for filters of several times the size. See tinyc_winograd_dsp.h."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Node
from ..ops._conv import channel_multipliers, filter_rows
from ..ops.conv2d import Conv2d
from . import conv_dsp
from .base import Binding, Constant, Kernel, Pointless
from .conv import VARYING, clamp_params, window_params

DEPTH = 16
"""Of which the inputs of a pixel are a multiple: how far the loop over them is written out."""
_FILTERS = {
    2: np.array([(2, 0, 0), (1, 1, 1), (1, -1, 1), (0, 0, 2)]),
    4: np.array([(1, 0, 0), (-1, -1, -1), (-1, 1, -1), (1, 2, 4), (1, -2, 4), (0, 0, 1)]),
}
"""G of F(m x m, 3 x 3), each row times its denominator (2; 4, 6, 6, 24, 24, 1)."""
_SUM_BITS = {2: 29, 4: 25}
"""What comes back is 4 times the sum, or 2^6 after the division by 9, of which 32 bits are left."""
LARGEST_SHIFT = 23
"""To the right: that of a product under 2^30 to which a zero point is added, shifted up."""
_GAIN = 2
"""By how much the products have to be fewer than those of the plain convolution, which needs
no transforms."""


def _reject(node: Node[Conv2d], m: int) -> str | None:
    _, out_h, out_w, _ = node.output.type.shape
    _, kh, kw, depth = node.inputs[1].type.shape
    if (kh, kw) != (3, 3) or node.op.stride != (1, 1) or node.op.dilation != (1, 1):
        return Pointless("not 3x3 with steps of 1")
    if depth % DEPTH:
        return f"the inputs of a pixel are no multiple of {DEPTH}"
    if node.op.float_scaled:
        return "sums are scaled by a float"
    reason = conv_dsp.CONV2D.reject(node)
    if reason is not None:
        return reason
    shifts = channel_multipliers(node)[1]
    if np.any(shifts[filter_rows(node).any(1)] < -LARGEST_SHIFT):
        return f"a channel's multiplier is under 2^-{LARGEST_SHIFT + 1}"
    fours = -(-(-(-out_h // m) * -(-out_w // m)) // 4)
    if _GAIN * fours * 4 * (m + 2) ** 2 > 9 * out_h * out_w:
        return f"groups of four tiles of {m}x{m} do not fit {out_h}x{out_w} outputs"
    rows = filter_rows(node).astype(np.int64)
    most = np.maximum(np.where(rows > 0, rows, 0).sum(1), np.where(rows < 0, -rows, 0).sum(1))
    if np.any(most * 255 >= 1 << _SUM_BITS[m]):
        return f"a sum of products could reach 2^{_SUM_BITS[m]}"
    return None


def _points(weights: Array, m: int) -> Constant:
    """Filters [o, 3, 3, i] as tinyc_winograd_dsp.h reads their points."""
    g = _FILTERS[m]
    points = np.einsum("pa,qb,oabi->opqi", g, g, weights.astype(np.int64))
    channels, n, _, depth = points.shape
    points = np.concatenate([points, np.zeros((channels % 2, n, n, depth), np.int64)])
    # [pair, channel, point, quad, half, parity] -> [pair, point, quad, parity, channel, half]
    packed = points.reshape(-1, 2, n * n, depth // 4, 2, 2).transpose(0, 2, 3, 5, 1, 4)
    note = f"filters as {n}x{n} points, of channel pairs, by pairs of inputs"
    return Constant("weights", packed.astype(np.int16), note)


def _bind(node: Node[Conv2d], m: int) -> Binding:
    x, weights, _ = node.inputs
    rows = filter_rows(node)
    depth, points = x.type.shape[3], (m + 2) ** 2
    entries = conv_dsp.table(node, rows, fold=True)
    # Inputs are taken as x + 128.
    data = entries.data.copy()
    data[: len(rows), 0] -= (128 * rows.astype(np.int64).sum(1)).astype(np.int32)
    return Binding(
        params={
            **window_params(node, (3, 3)),
            **clamp_params(node),
            "m": m,
            "input_zero": x.type.zero_point,
            "read": f"tinyc_winograd{m}_read",
            "write": f"tinyc_winograd{m}_write",
        },
        constants=(_points(weights.array, m), replace(entries, data=data)),
        scratch=points * (8 * depth + 32 + depth),
        support=("tinyc_winograd_dsp.h",),
        lanes=2,
    )


def _kernel(m: int) -> Kernel[Conv2d]:
    return Kernel(
        f"conv2d_s8_winograd{m}_dsp",
        "winograd_s8_dsp.c.j2",
        conv_dsp.REQUIRES,
        lambda node: _reject(node, m),
        lambda node: _bind(node, m),
        varying=VARYING,
        aims=frozenset({"speed"}),
    )


CONV2D = (_kernel(4), _kernel(2))
"""Fastest first."""
