"""How C computes TRANSPOSE_CONV."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ops._conv import filter_rows
from ..ops._hybrid import plain
from ..ops.transpose_conv import HybridTransposeConv, TransposeConv
from .base import Binding, Constant, provide
from .conv import channel_table, clamp_params, integers, portable, store_support
from .hybrid import bind_hybrid, hybrid_kernel
from .int16 import finishing


def _params(node: Node[TransposeConv]) -> dict[str, Any]:
    x, weights, _ = node.inputs
    op = node.op
    batches, in_h, in_w, in_c = x.type.shape
    _, out_h, out_w, out_c = node.output.type.shape
    _, kh, kw, _ = weights.type.shape
    return {
        "batches": batches, "in_h": in_h, "in_w": in_w, "in_c": in_c,
        "out_h": out_h, "out_w": out_w, "out_c": out_c, "kernel_h": kh, "kernel_w": kw,
        "stride_h": op.stride[0], "stride_w": op.stride[1], "dilation_h": 1, "dilation_w": 1,
        "pad_top": op.cut[0], "pad_left": op.cut[1], **clamp_params(node),
        "function": "tinyc_transpose_conv", "kind": "transposed convolution", "step": "",
        "groups": 1,
    }  # fmt: skip


def _bind(node: Node[TransposeConv]) -> Binding:
    x, weights, bias = node.inputs
    params, packed = _params(node), Constant("weights", weights.array, "weights, OHWI")
    if x.type.dtype is DType.F32:
        constants = (packed, Constant("bias", bias.array, "bias"))
        return Binding(params, constants, support=("tinyc_transpose_conv_f32.h",))
    if x.type.dtype is DType.I16:
        more, table = finishing(node, filter_rows(node))
        return Binding(
            {**params, **more},
            (packed, table),
            support=("tinyc_integers16.h", "tinyc_transpose_conv.h"),
        )
    return Binding(
        {**params, **integers(node)},
        (packed, channel_table(node)),
        support=store_support(node, "tinyc_transpose_conv.h"),
    )


def _bind_hybrid(node: Node[HybridTransposeConv]) -> Binding:
    weights = node.inputs[1].array
    packed = Constant("weights", weights, "weights, OHWI")
    return bind_hybrid(
        node, _params(plain(node)), packed, "tinyc_conv_hybrid.h", "tinyc_transpose_conv.h"
    )


provide(
    TransposeConv,
    portable("transpose_conv_s8", DType.I8, _bind, "convolution.c.j2"),
    portable("transpose_conv_s16", DType.I16, _bind, "convolution.c.j2"),
    portable("transpose_conv_f32", DType.F32, _bind),
)


provide(
    HybridTransposeConv,
    hybrid_kernel("transpose_conv_hybrid", _bind_hybrid),
)
