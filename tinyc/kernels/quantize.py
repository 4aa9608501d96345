"""How C computes QUANTIZE."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.quantize import Quantize
from .base import provide
from .formula import Fields, Formula, output_fields, scale_fields
from .unary import table_kernel, unary_kernel


def _f32(node: Node[Quantize]) -> Formula:
    out = node.output.type
    numbers = (float(out.scale), out.zero_point, *out.dtype.limits)
    name = "tinyc_quantize_even" if node.op.to_even else "tinyc_quantize_f32"
    header = "tinyc_quantize_even.h" if node.op.to_even else "tinyc_quantize.h"
    return Formula(name, header, numbers=numbers, wide=True)


def _s16(node: Node) -> Formula:
    source, out = node.inputs[0].type, node.output.type
    fields: Fields = {
        "scale": scale_fields(source.scale / out.scale, source.zero_point),
        "output": output_fields(node),
    }
    name = "tinyc_requantize"
    return Formula(name, "tinyc_quantized.h", struct=name, fields=fields, wide=True)


provide(
    Quantize,
    table_kernel("quantize_s8", (DType.I8, DType.U8)),
    unary_kernel("quantize_f32", DType.F32, _f32),
    unary_kernel("quantize_s16", DType.I16, _s16),
    unary_kernel("quantize_i32", DType.I32, _s16),
)
