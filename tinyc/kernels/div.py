"""How C computes DIV, FLOOR_DIV, FLOOR_MOD."""

from __future__ import annotations

from ..ir import DType, Node, Op
from ..ops.div import Div, FloorDiv, FloorMod, div_multiplier
from .base import provide
from .binary import binary_kernel, clamped_f32
from .formula import Fields, Formula, output_fields

SIGNS: dict[type[Op], str] = {Div: "/", FloorDiv: "(floor div)", FloorMod: "(floor mod)"}
NAMES: dict[type[Op], str] = {Div: "div", FloorDiv: "floor_div", FloorMod: "floor_mod"}


def _s8(node: Node[Div]) -> Formula:
    multiplier, shift = div_multiplier(node)
    fields: Fields = {
        "x_offset": -node.inputs[0].type.zero_point,
        "y_offset": -node.inputs[1].type.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        "output": output_fields(node, node.op.activation),
    }
    header = "tinyc_divide.h"
    return Formula("tinyc_div_s8", header, struct="tinyc_div", fields=fields, wide=True)


def _s32(node: Node) -> Formula:
    return Formula(f"tinyc_{NAMES[type(node.op)]}_s32", "tinyc_arithmetic_s32.h")


def _f32(node: Node) -> Formula:
    return Formula(f"tinyc_{NAMES[type(node.op)]}_f32", "tinyc_curves_f32.h")


def _sign(node: Node) -> str:
    return SIGNS[type(node.op)]


provide(
    Div,
    binary_kernel("div_s8", DType.I8, _sign, _s8),
    clamped_f32("div_f32", _sign),
    binary_kernel("div_i32", DType.I32, _sign, _s32),
)
for _op in (FloorDiv, FloorMod):
    provide(
        _op,
        binary_kernel(f"{NAMES[_op]}_f32", DType.F32, _sign, _f32),
        binary_kernel(f"{NAMES[_op]}_i32", DType.I32, _sign, _s32),
    )
