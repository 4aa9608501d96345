"""How C computes SVDF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Array, DType, Node
from ..ir.quant import float_activation_range
from ..ops.svdf import HybridSvdf, Svdf
from .base import Binding, Constant, Kernel, only, provide
from .conv import four_channels, portable
from .conv_dsp import REQUIRES, quads
from .hybrid import Packing, packed_rows, rows_kernels


def _params(node: Node[Svdf]) -> dict[str, Any]:
    op = node.op
    batch, depth, filters, memory = op.sizes(node)
    return {
        "type": node.inputs[0].type.dtype.c, "level_type": node.inputs[4].type.dtype.c,
        "batches": batch, "depth": depth, "units": filters // op.rank, "rank": op.rank,
        "memory": memory,
    }  # fmt: skip


def _bind_s8(
    node: Node[Svdf], pack: Callable[[Array, str, str], Constant], support: str, sums: str
) -> Binding:
    op = node.op
    _, features, times, bias, levels = node.inputs
    (level_multiplier, level_shift), (multiplier, shift) = op.scales(node)
    least, most = levels.type.dtype.limits
    return Binding(
        params={
            **_params(node), "wide": levels.type.dtype is DType.I16, "sums": sums,
            "level_multiplier": level_multiplier, "level_shift": level_shift,
            "level_zero": levels.type.zero_point, "least": least, "most": most,
            "multiplier": multiplier, "shift": shift,
            "zero_point": node.outputs[0].type.zero_point,
        },
        constants=(
            pack(features.array, "weights of features, of four filters together", "features"),
            Constant("offsets", op.offsets(node).astype(np.int32), "of the input, by filter"),
            Constant("times", times.array, "weights of time, the oldest of a filter first"),
            Constant("bias", bias.array, "biases of the units"),
        ),
        support=(support, "tinyc_svdf.h"),
        inplace=1,
        renewed=1,
    )  # fmt: skip


def _bind_scalar(node: Node[Svdf]) -> Binding:
    return _bind_s8(node, four_channels, "tinyc_tile4.h", "tinyc_tile4")


def _bind_dsp(node: Node[Svdf]) -> Binding:
    return _bind_s8(node, quads, "tinyc_dense_dsp.h", "tinyc_dense_sums_dsp")


def _bind_f32(node: Node[Svdf]) -> Binding:
    _, features, times, bias, _ = node.inputs
    low, high = float_activation_range(node.op.activation)
    return Binding(
        params={**_params(node), "low": low, "high": high},
        constants=(
            Constant("features", features.array, "weights of features"),
            Constant("times", times.array, "weights of time, the oldest of a filter first"),
            Constant("bias", bias.array, "biases of the units"),
        ),
        support=("tinyc_svdf_f32.h",),
        inplace=1,
        renewed=1,
    )


def _bind_hybrid(node: Node[HybridSvdf], pack: Packing) -> Binding:
    bound, features = _bind_f32(node), node.inputs[1]
    scales = np.full(4, features.type.scale, np.float32)
    return replace(
        bound,
        params={**bound.params, "asymmetric": int(node.op.asymmetric)},
        constants=(
            *packed_rows(features.array, "features", "totals", "weights of features", pack),
            *bound.constants[1:],
            Constant("scales", scales, "scale of the weights of features, for four filters"),
        ),
        scratch=features.type.shape[1],
    )


provide(HybridSvdf, *rows_kernels("svdf_hybrid", _bind_hybrid, "tinyc_svdf_hybrid.h"))
provide(
    Svdf,
    Kernel("svdf_s8_dsp", "svdf_s8.c.j2", REQUIRES, only(DType.I8), _bind_dsp),
    portable("svdf_s8_scalar", DType.I8, _bind_scalar, "svdf_s8.c.j2"),
    portable("svdf_f32", DType.F32, _bind_f32),
)
