"""Sparse int8 weights on cores without SIMD, see ``firmware/kernels/tinyc_sparse_pairs.h``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Node
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.fully_connected import FullyConnected
from . import sparse
from .base import Binding, Constant, Kernel
from .conv import SIZED, VARYING, sees_all
from .conv_dsp import conv_rows, reject_conv, reject_fully_connected, table

TOTAL_BITS, NEGATIVE_BITS = 15, 11
"""Under two to these are the sums of weights of a channel, and how many of them are negative."""


def _reject(node: Node[Weighted], rows: Array) -> str | None:
    """Why a node that `conv_dsp.reject` takes cannot be computed by lists of its weights, which are
    [channels, depth]."""
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    return sparse.reject(rows)


def _shifted(node: Node[Weighted], rows: Array) -> Constant:
    """Bias, multiplier and right shift, less the last step of a single rounding."""
    known = table(node, rows, fold=True, single=node.op.rounds_once)
    return replace(known, data=known.data[: len(rows)] + np.array([0, 0, 1], np.int32))


# Convolution ------------------------------------------------------------------------------


def _channels(node: Node[Weighted], rows: Array) -> Constant:
    """The table of tinyc_sparse_pairs.h."""
    biases, multipliers, shifts = _shifted(node, rows).data.astype(np.int64).T
    totals, negative = rows.sum(1, dtype=np.int64), (rows < 0).sum(1)
    last = totals << 16 | negative << 5 | shifts
    words = np.stack([biases - 129 * totals, multipliers, last], 1)
    note = "of each channel a bias less 129 a weight, multiplier, and sum, signs and shift"
    return Constant("channels", words.astype(np.uint32).view(np.int32), note)


def _reject_conv(node: Node[Conv2d]) -> str | None:
    rows = conv_rows(node)
    reason = reject_conv(node)
    if reason is not None or rows is None:
        return reason
    if np.abs(rows.sum(1, dtype=np.int64)).max() >= 1 << TOTAL_BITS:
        return f"the sum of a channel's weights is 2^{TOTAL_BITS} or more"
    if (rows < 0).sum(1).max() >= 1 << NEGATIVE_BITS:
        return f"{1 << NEGATIVE_BITS} or more of a channel's weights are negative"
    return _reject(node, rows)


def _bind_conv(node: Node[Conv2d]) -> Binding:
    rows = conv_rows(node)
    assert rows is not None
    if sees_all(node):
        return _bind_row(node, rows)
    return sparse.pixels(
        node,
        rows,
        _channels(node, rows),
        put="tinyc_sparse_put_pairs",
        tile="tinyc_sparse_pairs",
        support="tinyc_sparse_pairs.h",
    )


def _bind_row(node: Node[Weighted], rows: Array) -> Binding:
    return sparse.row(
        node,
        rows,
        _shifted(node, rows),
        dense="tinyc_dense_sparse",
        scale=f"tinyc_sparse_scale_{'once' if node.op.rounds_once else 'away'}",
        support="tinyc_sparse_row.h",
    )


CONV2D = Kernel(
    "conv2d_s8_sparse", "conv2d_s8_sparse.c.j2", frozenset(), _reject_conv, _bind_conv,
    varying=VARYING, sized=(*SIZED, "depth"), aims=sparse.CONV_AIMS,
)  # fmt: skip


# Fully connected --------------------------------------------------------------------------


def _reject_fully_connected(node: Node[FullyConnected]) -> str | None:
    rows = node.inputs[1].data
    reason = reject_fully_connected(node)
    return reason if reason is not None or rows is None else _reject(node, rows)


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_sparse", "fully_connected_s8_sparse.c.j2", frozenset(),
    _reject_fully_connected, lambda node: _bind_row(node, node.inputs[1].array),
    varying=VARYING, sized=("depth", "channels"),
)  # fmt: skip
