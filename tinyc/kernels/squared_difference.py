"""How C computes SQUARED_DIFFERENCE."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.squared_difference import SquaredDifference, squared_difference_reals
from .base import provide
from .binary import binary_kernel
from .formula import Fields, Formula, output_fields, scale_fields


def _quantized(node: Node) -> Formula:
    left, right, square = squared_difference_reals(node)
    fields: Fields = {
        "left": scale_fields(left, node.inputs[0].type.zero_point),
        "right": scale_fields(right, node.inputs[1].type.zero_point),
        "square": scale_fields(square),
        "output": output_fields(node),
    }
    name = "tinyc_squared_difference"
    suffix = f"s{8 * node.output.type.dtype.size}"
    return Formula(f"{name}_{suffix}", f"{name}.h", struct=name, fields=fields, wide=True)


def _plain(suffix: str) -> Formula:
    return Formula(f"tinyc_squared_difference_{suffix}", f"tinyc_arithmetic_{suffix}.h")


def _sign(node: Node) -> str:
    return "(squared difference)"


provide(
    SquaredDifference,
    binary_kernel("squared_difference_s8", DType.I8, _sign, _quantized),
    binary_kernel("squared_difference_s16", DType.I16, _sign, _quantized),
    binary_kernel("squared_difference_f32", DType.F32, _sign, lambda node: _plain("f32")),
    binary_kernel("squared_difference_i32", DType.I32, _sign, lambda node: _plain("s32")),
)
