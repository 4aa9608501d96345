"""Packing for the int8 kernels of cores with long multiplications but without SIMD (Cortex-M3).

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, Node
from ..ops._conv import filter_rows, real_multipliers
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from .base import Binding, Constant, Kernel
from .conv import VARYING, clamp_params, window_params
from .conv_dsp import fixed_point, padded, reject

REQUIRES = frozenset({"thumb2"})


def _table(node: Node[Weighted], rows: Array) -> Constant:
    """What tinyc_pairs.h reads of each channel with weights ``rows`` [channels, depth]."""
    x, _, bias = node.inputs[:3]
    totals = rows.astype(np.int64).sum(1)
    biases = bias.array.ravel() - x.type.zero_point * totals
    starts, multipliers, steps = fixed_point(node, rows, biases, single=False).T
    both = 65537 * starts - 129 * totals
    upper = starts + (rows < 0).sum(1)
    entries = np.stack([both, upper, multipliers, steps + 1], 1)
    reals = real_multipliers(node)
    return Constant(
        "channels",
        entries.astype(np.uint32).view(np.int32),
        f"where both sums and the upper one begin, multiplier, right shift of each channel; "
        f"multipliers stand for {min(reals):.6g} to {max(reals):.6g}",
    )


def _reject_conv(node: Node[Conv2d]) -> str | None:
    x, weights, _ = node.inputs
    if weights.type.shape[3] != x.type.shape[3]:
        return "grouped"
    if node.op.float_scaled:
        return "scaled by float32"
    return reject(node, filter_rows(node))


def _bind_conv(node: Node[Conv2d]) -> Binding:
    x, weights, _ = node.inputs
    _, kh, kw, _ = weights.type.shape
    rows = filter_rows(node)
    pairs = padded(rows, 2, 4)
    depth = pairs.shape[1]
    params = window_params(node, (kh, kw))
    _, out_h, out_w, out_c = node.output.type.shape
    odd = out_h * out_w % 4 > 0
    return Binding(
        params={
            **params,
            **clamp_params(node),
            "depth": depth,
            "input_zero": x.type.zero_point,
        },
        constants=(
            Constant(
                "weights",
                np.ascontiguousarray(pairs.reshape(-1, 2, depth).transpose(0, 2, 1)),
                "weights of channel pairs, input by input",
            ),
            _table(node, rows),
        ),
        scratch=8 * depth + (params["in_c"] if params["padded"] else 0) + (4 * out_c if odd else 0),
        support=("tinyc_conv2d_pairs.h",),
        ordered=True,
        strip_scratch=0 if odd else 4 * out_c,
        tile=4,
    )


CONV2D = Kernel(
    "conv2d_s8_pairs",
    "conv2d_pairs.c.j2",
    REQUIRES,
    _reject_conv,
    _bind_conv,
    varying=VARYING,
)
