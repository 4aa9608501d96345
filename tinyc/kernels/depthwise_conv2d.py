"""How C computes DEPTHWISE_CONV_2D."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import DType, Node
from ..ops._conv import centred_weights
from ..ops._hybrid import plain
from ..ops.depthwise_conv2d import (
    DepthwiseConv2d,
    HybridDepthwiseConv2d,
    depthwise_conv2d_rows,
    flat,
)
from . import conv_armv6m, conv_dsp, conv_thumb2, depthwise_planar
from .base import Binding, Constant, Kernel, provide, provide_tvm
from .conv import (
    VARYING,
    channel_table,
    clamp_params,
    four_rows,
    fours,
    integers,
    portable,
    store_support,
    window_params,
)
from .hybrid import bind_hybrid, hybrid_kernel
from .int16 import finishing, narrow
from .tvm import depthwise as tvm_depthwise


def _params(node: Node[DepthwiseConv2d]) -> dict[str, Any]:
    _, kh, kw, _ = node.inputs[1].type.shape
    return {
        **window_params(node, (kh, kw)),
        **clamp_params(node),
        "function": "tinyc_conv2d",
        "kind": "depthwise convolution",
        "step": "",
        "groups": node.inputs[0].type.shape[3],
    }


def _bind_s8(node: Node[DepthwiseConv2d]) -> Binding:
    params, rows = _params(node), depthwise_conv2d_rows(node)
    folded = not params["padded"]
    centred = centred_weights(node, rows).reshape(len(rows), -1)
    return Binding(
        params={**params, **integers(node, folded)},
        constants=(
            Constant("weights", rows, "weights, channel by channel"),
            channel_table(node, centred if folded else None),
        ),
        support=store_support(node, "tinyc_conv2d.h"),
        ordered=True,
    )


def _bind_s16(node: Node[DepthwiseConv2d]) -> Binding:
    params, table = finishing(node, flat(node))
    return Binding(
        params={**_params(node), **params},
        constants=(
            Constant("weights", depthwise_conv2d_rows(node), "weights, channel by channel"),
            table,
        ),
        support=("tinyc_integers16.h", "tinyc_conv2d.h"),
        ordered=True,
    )


def _bind_f32(node: Node[DepthwiseConv2d]) -> Binding:
    bias = node.inputs[2].array
    return Binding(
        params=_params(node),
        constants=(
            Constant("weights", depthwise_conv2d_rows(node), "weights, channel by channel"),
            Constant("bias", bias, "bias"),
        ),
        support=("tinyc_conv2d_f32.h",),
        ordered=True,
    )


def _bind_hybrid(node: Node[HybridDepthwiseConv2d]) -> Binding:
    layer = plain(node)
    return bind_hybrid(
        node,
        _params(layer),
        Constant("weights", depthwise_conv2d_rows(node), "weights, channel by channel"),
        "tinyc_conv_hybrid.h",
        "tinyc_conv2d.h",
    )


def _reject_tile4(node: Node[DepthwiseConv2d], dtype: DType = DType.I8) -> str | None:
    if node.inputs[0].type.dtype is not dtype:
        return f"not {dtype.value}"
    if node.op.multiplier > 1 or node.output.type.shape[3] < 4:
        return "a depth multiplier, or fewer than 4 channels"
    return None


def _reject_s16_tile4(node: Node[DepthwiseConv2d]) -> str | None:
    reason = _reject_tile4(node, DType.I16)
    if reason is None and not narrow(node, flat(node)):
        return "a sum could reach 2^31"
    return reason


def _bind_four(
    node: Node[DepthwiseConv2d],
    function: str = "tinyc_depthwise_tile4",
    support: str = "tinyc_depthwise_tile4.h",
) -> Binding:
    bound = (_bind_s16 if node.inputs[0].type.dtype is DType.I16 else _bind_s8)(node)
    rows, (_, table) = depthwise_conv2d_rows(node), bound.constants
    return replace(
        bound,
        params={
            **bound.params,
            "function": function,
            "step": ", four at a time",
        },
        constants=(four_rows(rows), replace(table, data=table.data[fours(len(rows))])),
        support=(*bound.support[:-1], support),
        lanes=4,
    )


def _bind_s16_dsp(node: Node[DepthwiseConv2d]) -> Binding:
    return _bind_four(node, "tinyc_depthwise_s16_dsp", "tinyc_depthwise16_dsp.h")


provide(
    DepthwiseConv2d,
    depthwise_planar.DEPTHWISE_CONV2D,
    *conv_dsp.DEPTHWISE_CONV2D,
    conv_thumb2.DEPTHWISE_CONV2D,
    conv_armv6m.DEPTHWISE_CONV2D,
    Kernel(
        "depthwise_conv2d_s8_tile4",
        "convolution.c.j2",
        frozenset(),
        _reject_tile4,
        _bind_four,
        varying=VARYING,
    ),
    portable("depthwise_conv2d_s8_scalar", DType.I8, _bind_s8, "convolution.c.j2", VARYING),
    Kernel(
        "depthwise_conv2d_s16_dsp",
        "convolution.c.j2",
        conv_dsp.REQUIRES,
        _reject_s16_tile4,
        _bind_s16_dsp,
        varying=VARYING,
    ),
    Kernel(
        "depthwise_conv2d_s16_tile4",
        "convolution.c.j2",
        frozenset(),
        _reject_s16_tile4,
        _bind_four,
        varying=VARYING,
    ),
    portable("depthwise_conv2d_s16_scalar", DType.I16, _bind_s16, "convolution.c.j2", VARYING),
    portable("depthwise_conv2d_f32", DType.F32, _bind_f32, "conv2d_f32.c.j2"),
)
provide_tvm(DepthwiseConv2d, *tvm_depthwise.DEPTHWISE_CONV2D)


provide(
    HybridDepthwiseConv2d,
    hybrid_kernel("depthwise_conv2d_hybrid", _bind_hybrid),
)
