"""Sparse int8 weights on cores with the DSP extension, see ``firmware/kernels/tinyc_sparse_dsp.h``
and ``tinyc_sparse_row_dsp.h``."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Node
from ..ops._mixins import Weighted
from ..ops.conv2d import Conv2d
from ..ops.fully_connected import FullyConnected
from . import sparse
from .base import Binding, Constant, Kernel
from .conv import SIZED, VARYING, sees_all
from .conv_dsp import REQUIRES, conv_rows, reject_conv, reject_fully_connected, table

FIELD_BITS = 22
"""The sums of a word's first pixel are at least minus two to this, and less than two to this."""
BIAS_BITS = 23
"""So are biases, with the input's zero point."""
LARGEST_SHIFT = 23
"""Of a high product to which a zero point has been added, shifted up."""


def reject(node: Node[Weighted], rows: Array) -> str | None:
    """Why a node that `conv_dsp.reject` takes cannot be computed by lists of its weights, which are
    [channels, depth]."""
    if node.op.float_scaled:
        return "its sums are multiplied by a float32"
    if reason := sparse.reject(rows):
        return reason
    words = table(node, rows, fold=True, single=node.op.rounds_once).data[: len(rows)]
    biases, _, shifts = words.astype(np.int64).T
    if shifts.max() > LARGEST_SHIFT:
        return f"a product would be shifted right by over {LARGEST_SHIFT} bits"
    # What rounds and adds the zero point is added to a high product, which is less than its sum.
    least, most = _products(rows)
    half = abs(1 + 2 * node.output.type.zero_point)
    if np.any((half << shifts) + np.maximum(-least, most) + abs(biases) >= 1 << 31):
        return "an output could reach 2^31 before its shift"
    return None


def _products(rows: Array) -> tuple[Array, Array]:
    """int64 [channels] each: the least and the greatest sum of the products of weights [channels,
    depth] with any inputs as they are."""
    low, high = rows.astype(np.int64) * -128, rows.astype(np.int64) * 127
    return np.minimum(low, high).sum(1), np.maximum(low, high).sum(1)


def _reject_pixels(node: Node[Weighted], rows: Array) -> str | None:
    """The same of several pixels at a time."""
    least, most = _products(rows)
    if least.min() < -1 << FIELD_BITS or most.max() >= 1 << FIELD_BITS:
        return f"a sum of products could reach 2^{FIELD_BITS}"
    biases = table(node, rows, fold=True).data[:, 0]
    if biases.min() < -1 << BIAS_BITS or biases.max() >= 1 << BIAS_BITS:
        return f"a bias could reach 2^{BIAS_BITS}"
    return reject(node, rows)


def _channels(node: Node[Weighted], rows: Array) -> Constant:
    """The table of tinyc_sparse_dsp.h."""
    known = table(node, rows, fold=True)
    words = known.data[: len(rows)].astype(np.int64)
    packed = np.stack([words[:, 0] << 8 | words[:, 2], words[:, 1]], 1)
    note = known.note.replace(
        ", multiplier, right shift of each channel", " and right shift, multiplier of each channel"
    )
    return Constant("channels", packed.astype(np.int32), note)


# Convolution ------------------------------------------------------------------------------


def _reject_conv(node: Node[Conv2d]) -> str | None:
    rows = conv_rows(node)
    reason = reject_conv(node)
    if reason is not None or rows is None:
        return reason
    return reject(node, rows) if sees_all(node) else _reject_pixels(node, rows)


def _bind_conv(node: Node[Conv2d]) -> Binding:
    rows = conv_rows(node)
    assert rows is not None
    if sees_all(node):
        return _bind_row(node, rows)
    return sparse.pixels(
        node,
        rows,
        _channels(node, rows),
        put="tinyc_sparse_put_long",
        tile="tinyc_sparse_long",
        support="tinyc_sparse_dsp.h",
    )


def _bind_row(node: Node[Weighted], rows: Array) -> Binding:
    single = node.op.rounds_once
    return sparse.row(
        node,
        rows,
        table(node, rows, fold=True, single=single),
        dense="tinyc_dense_sparse_dsp",
        scale=f"tinyc_sparse_row_{'once' if single else 'away'}",
        support="tinyc_sparse_row_dsp.h",
    )


CONV2D = Kernel(
    "conv2d_s8_sparse_dsp", "conv2d_s8_sparse.c.j2", REQUIRES, _reject_conv, _bind_conv,
    varying=VARYING, sized=(*SIZED, "depth"), aims=sparse.CONV_AIMS,
)  # fmt: skip


# Fully connected --------------------------------------------------------------------------


def _reject_fully_connected(node: Node[FullyConnected]) -> str | None:
    rows = node.inputs[1].data
    reason = reject_fully_connected(node)
    return reason if reason is not None or rows is None else reject(node, rows)


FULLY_CONNECTED = Kernel(
    "fully_connected_s8_sparse_dsp", "fully_connected_s8_sparse.c.j2", REQUIRES,
    _reject_fully_connected, lambda node: _bind_row(node, node.inputs[1].array),
    varying=VARYING, sized=("depth", "channels"),
)  # fmt: skip
