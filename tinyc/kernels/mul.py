"""How C computes MUL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import DType, Node
from ..ops.mul import Mul, mul_multiplier
from .base import provide, provide_tvm
from .binary import binary_kernel, clamped_f32
from .formula import Fields, Formula, output_fields
from .tvm import tvm
from .tvm.elementwise import Element, saturated
from .tvm.elementwise import binary_kernel as tir_kernel

MOST_SHIFT_DSP = 14
"""To the left: 255 * 255 stays under 2^30."""


def _integers(node: Node[Mul]) -> Formula:
    multiplier, shift = mul_multiplier(node)
    fields: Fields = {
        "x_offset": -node.inputs[0].type.zero_point,
        "y_offset": -node.inputs[1].type.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        "output": output_fields(node, node.op.activation),
    }
    header = "tinyc_mul.h"
    return Formula("tinyc_multiply", header, struct="tinyc_mul", fields=fields, wide=True)


def _s8_dsp(node: Node[Mul]) -> Formula:
    formula = _integers(node)
    if mul_multiplier(node)[1] > MOST_SHIFT_DSP:
        return formula
    return replace(formula, function="tinyc_multiply_s8_dsp", header="tinyc_mul_dsp.h")


def _sign(node: Node[Mul]) -> str:
    return "*"


provide(
    Mul,
    replace(binary_kernel("mul_s8_dsp", DType.I8, _sign, _s8_dsp), requires=frozenset({"dsp"})),
    binary_kernel("mul_s8", DType.I8, _sign, _integers),
    binary_kernel("mul_s16", DType.I16, _sign, _integers),
    binary_kernel(
        "mul_i32", DType.I32, _sign, lambda node: Formula("tinyc_mul_s32", "tinyc_arithmetic_s32.h")
    ),
    clamped_f32("mul_f32", _sign),
)


def _element(node: Node[Mul]) -> Element:
    multiplier, shift = mul_multiplier(node)
    call = tvm().tirx.call_pure_extern
    zeros = [v.type.zero_point for v in node.inputs]

    def element(x: Any, y: Any) -> Any:
        product = (x - zeros[0]) * (y - zeros[1])
        return saturated(node, call("int32", "tinyc_requant2", product, multiplier, shift))

    return element


provide_tvm(
    Mul,
    tir_kernel("mul_s8_tvm", _sign, _element),
)
