"""How C computes depthwise convolutions of signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import DType, Node
from ..ops._bits import WORD
from ..ops._conv import NO_PADDING
from ..ops.binary_depthwise_conv2d import BinaryDepthwiseConv2d
from .base import Binding, Constant, Kernel, provide, provide_tvm
from .conv import window_params
from .lce_bconv2d import SUPPORT, ending, reject_fixed_point


def _bind(node: Node[BinaryDepthwiseConv2d]) -> Binding:
    op, weights = node.op, node.inputs[1].array
    _, kh, kw, depth = weights.shape
    planes = (2 * kh * kw).bit_length()
    params: dict[str, Any] = {
        **window_params(node, (kh, kw)),
        "channels": op.channels,
        "outs": op.channels,
        "depth": depth,
        "tap_channels": op.channels,
        "groups": 1,
        "planes": planes,
        "zeros": op.pad_value == 0 and op.padding != NO_PADDING,
        "ending": node.output.type.dtype.value,
        "out_type": node.output.type.dtype.c,
        "least": 0,
        "most": 2 * kh * kw,
    }
    constants = ending(node)
    if node.output.type.dtype is DType.I32:
        (twice,) = constants
        # A threshold of -1 lets everything through, which no count can be.
        above = np.pad(twice.data.astype(np.int64), (0, depth * WORD - op.channels))
        bits = (above.reshape(depth, WORD, 1) >> np.arange(planes)) & 1
        sliced = (bits.astype(np.uint64) << np.arange(WORD, dtype=np.uint64)[None, :, None]).sum(1)
        always = (
            (above.reshape(depth, WORD) < 0).astype(np.uint64) << np.arange(WORD, dtype=np.uint64)
        ).sum(1)
        table = np.concatenate([always[:, None], sliced], 1).astype(np.uint32)
        note = "of each word: the channels without a threshold, then bits 0, 1, ... of thresholds"
        constants = (Constant("thresholds", table, note),)
    words_note = "weights, HWC, 32 channels to a word"
    return Binding(
        params=params,
        constants=(Constant("weights", weights.view(np.uint32), words_note), *constants),
        support=(*SUPPORT[:-1], "tinyc_bits_depthwise.h"),
    )


provide_tvm(BinaryDepthwiseConv2d)  # none, and none of its base's
provide(
    BinaryDepthwiseConv2d,
    Kernel(
        "binary_depthwise_conv2d",
        "binary_depthwise_conv2d.c.j2",
        frozenset(),
        reject_fixed_point,
        _bind,
    ),
)
