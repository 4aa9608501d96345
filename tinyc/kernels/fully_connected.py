"""How C computes FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import DType, Node
from ..ops._conv import centred_weights, weight_zero
from ..ops._hybrid import plain
from ..ops.fully_connected import FullyConnected, HybridFullyConnected
from . import (
    conv_armv6m,
    conv_dsp,
    conv_dsp16,
    conv_thumb2,
    halves,
    nibbles,
    sparse_dsp,
    sparse_pairs,
    sparse_twos,
)
from .base import Binding, Constant, Kernel, provide, provide_tvm
from .conv import VARYING, channel_table, clamp_params, float_suffix, four_channels, portable
from .hybrid import Packing, bind_hybrid, packed_rows, rows_kernels
from .int16 import finishing, narrow
from .tvm import conv as tvm_conv


def _params(node: Node[FullyConnected]) -> dict[str, Any]:
    channels, depth = node.inputs[1].type.shape
    batches = node.inputs[0].type.elements // depth
    return {"batches": batches, "channels": channels, "depth": depth, **clamp_params(node)}


def _bind_s8(node: Node[FullyConnected]) -> Binding:
    weights = node.inputs[1].array
    return Binding(
        params={
            **_params(node),
            "function": f"tinyc_dense_s8{float_suffix(node)}",
            "weight_zero": weight_zero(node),
        },
        constants=(
            four_channels(weights, "weights of four channels, input by input"),
            channel_table(node, centred_weights(node)),
        ),
        support=(f"tinyc_dense{float_suffix(node)}.h",),
    )


def _reject_s16(node: Node[FullyConnected]) -> str | None:
    if node.inputs[0].type.dtype is not DType.I16:
        return "not i16"
    weights = node.inputs[1].array
    return None if narrow(node, weights) else "a sum could reach 2^31"


def _bind_s16(node: Node[FullyConnected], tiled: bool = False) -> Binding:
    weights = node.inputs[1].array
    params, table = finishing(node, weights, dense=True)
    packed = Constant("weights", weights, "weights, row by row")
    if tiled:
        packed = four_channels(weights, "weights of four channels, input by input")
    return Binding(
        params={**_params(node), **params},
        constants=(packed, table),
        support=("tinyc_dense16.h",),
    )


def _bind_f32(node: Node[FullyConnected]) -> Binding:
    weights, bias = (v.array for v in node.inputs[1:])
    return Binding(
        params=_params(node),
        constants=(
            Constant("weights", weights, "weights, row by row"),
            Constant("bias", bias, "bias"),
        ),
        support=("tinyc_dense_f32.h",),
    )


def _bind_hybrid(node: Node[HybridFullyConnected], pack: Packing) -> Binding:
    weights = node.inputs[1].array
    packed, totals = packed_rows(weights, "weights", "totals", "weights of four channels", pack)
    bound = bind_hybrid(node, _params(plain(node)), packed)
    return replace(bound, constants=(*bound.constants, totals))


provide(
    FullyConnected,
    *nibbles.FULLY_CONNECTED,
    halves.FULLY_CONNECTED,
    conv_dsp.FULLY_CONNECTED,
    conv_dsp16.FULLY_CONNECTED,
    *conv_thumb2.NARROW_FULLY_CONNECTED,
    conv_thumb2.FULLY_CONNECTED,
    *conv_armv6m.NARROW_FULLY_CONNECTED,
    conv_armv6m.FULLY_CONNECTED,
    sparse_twos.FULLY_CONNECTED,
    sparse_dsp.FULLY_CONNECTED,
    sparse_pairs.FULLY_CONNECTED,
    portable("fully_connected_s8_scalar", DType.I8, _bind_s8, varying=VARYING),
    Kernel(
        "fully_connected_s16_scalar",
        "fully_connected_s16_scalar.c.j2",
        frozenset(),
        _reject_s16,
        lambda node: _bind_s16(node, tiled=True),
    ),
    portable("fully_connected_s16_wide", DType.I16, _bind_s16),
    portable("fully_connected_f32", DType.F32, _bind_f32),
)
provide_tvm(FullyConnected, *tvm_conv.FULLY_CONNECTED)


provide(
    HybridFullyConnected,
    *rows_kernels("fully_connected_hybrid", _bind_hybrid, "tinyc_dense_hybrid.h"),
)
