"""Packing for the kernels of int16 activations on cores with the DSP extension (Cortex-M4, M7,
M33): SXTB16 makes two int8 weights the factors of two int16 inputs, SMLAD sums in 32 bits where
the weights show that it is enough, SMLALD in 64.

The layouts are those that the kernels in ``firmware/kernels/`` read; see the comments there.
"""

from __future__ import annotations

from ..ir import Array, DType, Node
from ..ops._conv import filter_rows
from ..ops.conv2d import Conv2d
from ..ops.fully_connected import FullyConnected
from .base import Binding, Constant, Kernel
from .conv import window_params
from .conv_dsp import REQUIRES, columns_bytes, padded
from .int16 import finishing


def _reject(node: Node) -> str | None:
    return None if node.inputs[0].type.dtype is DType.I16 else "not int16"


def _reject_conv(node: Node[Conv2d]) -> str | None:
    if node.inputs[1].type.shape[3] != node.inputs[0].type.shape[3]:
        return "grouped"
    return _reject(node)


def _bind_conv(node: Node[Conv2d]) -> Binding:
    weights = node.inputs[1].array
    _, kh, kw, in_c = weights.shape
    rows = filter_rows(node)
    packed = padded(rows, 2, 8)
    depth = packed.shape[1]
    # [pair of channels, channel, pair of inputs, k] -> [.., pair of inputs, k, channel]
    packed = packed.reshape(-1, 2, depth // 2, 2).transpose(0, 2, 3, 1)
    params, table = finishing(node, rows)
    return Binding(
        params={**window_params(node, (kh, kw)), **params},
        constants=(
            Constant("weights", packed, "weights of channel pairs, byte-interleaved by input pair"),
            table,
        ),
        scratch=columns_bytes(depth, 2 * in_c, 2),
        support=("tinyc_conv2d_s16_dsp.h",),
        ordered=True,
        tile=4,
    )


CONV2D = Kernel(
    "conv2d_s16_dsp", "conv2d_s16_dsp.c.j2", REQUIRES, _reject_conv, _bind_conv,
    varying=("low", "high"),
)  # fmt: skip


def quads16(rows: Array, note: str, suffix: str = "weights") -> Constant:
    """Weights [channels, depth] as tinyc_dense16_dsp.h reads them, zeros up to whole fours."""
    packed = padded(rows, 4, 4)
    # [group of four channels, quad, channel, k], the middle two of each quad exchanged
    packed = packed.reshape(len(packed) // 4, 4, -1, 4).transpose(0, 2, 1, 3)[..., [0, 2, 1, 3]]
    return Constant(suffix, packed, note)


def _bind_fully_connected(node: Node[FullyConnected]) -> Binding:
    weights = node.inputs[1].array
    channels, depth = weights.shape
    params, table = finishing(node, weights, dense=True)
    return Binding(
        params={
            **params,
            "batches": node.inputs[0].type.elements // depth,
            "depth": depth,
            "channels": channels,
        },
        constants=(
            quads16(weights, "weights of four channels, inputs 0, 2, 1, 3 of each in turn"),
            table,
        ),
        support=("tinyc_dense16_dsp.h",),
    )


FULLY_CONNECTED = Kernel(
    "fully_connected_s16_dsp",
    "fully_connected_s16_dsp.c.j2",
    REQUIRES,
    _reject,
    _bind_fully_connected,
)
