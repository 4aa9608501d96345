"""How C computes CONV_2D."""

from __future__ import annotations

from typing import Any

from ..ir import Array, DType, Node
from ..ops._conv import centred_weights, filter_rows
from ..ops._hybrid import plain
from ..ops.conv2d import Conv2d, HybridConv2d
from . import (
    conv_armv6m,
    conv_dsp,
    conv_dsp16,
    conv_thumb2,
    halves,
    immediates,
    nibbles,
    sparse_dsp,
    sparse_pairs,
    winograd,
)
from .base import Binding, Constant, Kernel, provide, provide_tvm
from .conv import (
    VARYING,
    channel_table,
    clamp_params,
    four_channels,
    integers,
    portable,
    store_support,
    window_params,
)
from .hybrid import bind_hybrid, hybrid_kernel
from .int16 import finishing, narrow
from .tvm import conv as tvm_conv


def _params(node: Node[Conv2d]) -> dict[str, Any]:
    _, kh, kw, depth = node.inputs[1].type.shape
    groups = node.inputs[0].type.shape[3] // depth
    return {
        **window_params(node, (kh, kw)),
        **clamp_params(node),
        "function": "tinyc_conv2d",
        "kind": "convolution",
        "step": "",
        "groups": groups,
    }


def _centred_rows(node: Node[Conv2d]) -> Array:
    """[channels, depth]: the weights less their zero point."""
    weights = centred_weights(node)
    return weights.reshape(len(weights), -1)


def _bind_s8(node: Node[Conv2d]) -> Binding:
    weights = node.inputs[1].array
    params = _params(node)
    folded = not params["padded"]
    return Binding(
        params={**params, **integers(node, folded)},
        constants=(
            Constant("weights", weights, "weights, OHWI"),
            channel_table(node, _centred_rows(node) if folded else None),
        ),
        support=store_support(node, "tinyc_conv2d.h"),
        ordered=True,
    )


def _bind_s16(node: Node[Conv2d]) -> Binding:
    weights = node.inputs[1].array
    params, table = finishing(node, filter_rows(node))
    return Binding(
        params={**_params(node), **params},
        constants=(Constant("weights", weights, "weights, OHWI"), table),
        support=("tinyc_integers16.h", "tinyc_conv2d.h"),
        ordered=True,
    )


def _bind_f32(node: Node[Conv2d]) -> Binding:
    weights, bias = (v.array for v in node.inputs[1:])
    return Binding(
        params=_params(node),
        constants=(Constant("weights", weights, "weights, OHWI"), Constant("bias", bias, "bias")),
        support=("tinyc_conv2d_f32.h",),
        ordered=True,
    )


def _bind_hybrid(node: Node[HybridConv2d]) -> Binding:
    weights = node.inputs[1].array
    layer = plain(node)
    packed = Constant("weights", weights, "weights, OHWI")
    return bind_hybrid(node, _params(layer), packed, "tinyc_conv_hybrid.h", "tinyc_conv2d.h")


def _reject_tile4(node: Node[Conv2d], dtype: DType = DType.I8) -> str | None:
    if node.inputs[0].type.dtype is not dtype:
        return f"not {dtype.value}"
    if node.inputs[1].type.shape[3] != node.inputs[0].type.shape[3]:
        return "grouped"
    return None


def _reject_s16_tile4(node: Node[Conv2d]) -> str | None:
    reason = _reject_tile4(node, DType.I16)
    if reason is None and not narrow(node, filter_rows(node)):
        return "a sum could reach 2^31"
    return reason


def _bind_tile4(node: Node[Conv2d]) -> Binding:
    x, weights = node.inputs[0].type, node.inputs[1].array
    params = _params(node)
    rows = filter_rows(node)
    pointwise = weights.shape[1:3] == (1, 1) and node.op.stride == (1, 1) and not params["padded"]
    if x.dtype is DType.I16:
        numbers, table = finishing(node, rows)
        support: tuple[str, ...] = ("tinyc_integers16.h", "tinyc_conv2d_tile4.h")
    else:
        numbers, table = integers(node), channel_table(node, _centred_rows(node))
        support = store_support(node, "tinyc_conv2d_tile4.h")
    return Binding(
        params={**params, **numbers, "pointwise": pointwise},
        constants=(four_channels(rows, "weights of four channels, input by input"), table),
        scratch=0 if pointwise else rows.shape[1] * x.dtype.size,
        support=support,
        ordered=True,
        lanes=4,
    )


provide(
    Conv2d,
    *winograd.CONV2D,
    *nibbles.CONV2D,
    *halves.CONV2D,
    conv_dsp.CONV2D,
    conv_dsp16.CONV2D,
    *conv_thumb2.NARROW_CONV2D,
    conv_thumb2.CONV2D,
    immediates.CONV2D,
    *conv_armv6m.NARROW_CONV2D,
    conv_armv6m.CONV2D,
    sparse_dsp.CONV2D,
    sparse_pairs.CONV2D,
    Kernel(
        "conv2d_s8_tile4",
        "conv2d_tile4.c.j2",
        frozenset(),
        _reject_tile4,
        _bind_tile4,
        varying=VARYING,
    ),
    portable("conv2d_s8_scalar", DType.I8, _bind_s8, "convolution.c.j2", VARYING),
    Kernel(
        "conv2d_s16_tile4",
        "conv2d_tile4.c.j2",
        frozenset(),
        _reject_s16_tile4,
        _bind_tile4,
        varying=VARYING,
    ),
    portable("conv2d_s16_scalar", DType.I16, _bind_s16, "convolution.c.j2", VARYING),
    portable("conv2d_f32", DType.F32, _bind_f32),
)
provide_tvm(Conv2d, *tvm_conv.CONV2D)


provide(
    HybridConv2d,
    hybrid_kernel("conv2d_hybrid", _bind_hybrid),
)
