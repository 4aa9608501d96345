"""How C computes QUANTIZE."""

from __future__ import annotations

from ..ir import DType, Node
from ..ir.quant import quantize_multiplier
from ..ops.quantize import Quantize
from .base import Binding, provide
from .conv import portable
from .unary import output_params, table_kernel, unary_inplace, unary_params


def _bind_f32(node: Node) -> Binding:
    out = node.output.type
    low, high = out.dtype.limits
    return Binding(
        params={
            **unary_params(node),
            "scale": out.scale, "zero_point": out.zero_point, "low": low, "high": high,
        },
        support=("tinyc_requant.h", "tinyc_quantize.h"),
        inplace=unary_inplace(node),
    )  # fmt: skip


def _bind_s16(node: Node) -> Binding:
    source, out = node.inputs[0].type, node.output.type
    multiplier, shift = quantize_multiplier(source.scale / out.scale)
    return Binding(
        params={
            **unary_params(node),
            **output_params(node),
            "offset": -source.zero_point, "multiplier": multiplier, "shift": shift,
        },
        support=("tinyc_requant.h",),
        inplace=unary_inplace(node),
    )  # fmt: skip


provide(
    Quantize,
    table_kernel("quantize_s8", (DType.I8, DType.U8)),
    portable("quantize_f32", DType.F32, _bind_f32),
    portable("quantize_s16", DType.I16, _bind_s16),
)
