"""How C computes ABS, NEG, SQRT, RSQRT, SQUARE, EXP, LOG, SIN, COS, CEIL, FLOOR and the like."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.elementwise_math import (
    Abs,
    Ceil,
    Cos,
    Curve,
    Elu,
    Erf,
    Exp,
    Floor,
    Gelu,
    Log,
    Neg,
    Round,
    Rsqrt,
    Sign,
    Sin,
    Sqrt,
    Square,
    input_ratio,
)
from .base import Constant, provide
from .formula import Formula, scale_fields
from .unary import table_kernel, unary_kernel

LIBRARY: dict[type[Curve], str] = {
    Abs: "fabsf", Sqrt: "sqrtf", Exp: "expf", Log: "logf", Sin: "sinf", Cos: "cosf",
    Ceil: "ceilf", Floor: "floorf", Round: "rintf", Erf: "erff",
}  # fmt: skip
"""The C library's functions of a float32 that are operators."""

CURVES: dict[type[Curve], str] = {
    Rsqrt: "tinyc_rsqrt_f32", Elu: "tinyc_elu_f32", Gelu: "tinyc_gelu_f32",
}  # fmt: skip
"""Those of tinyc_curves_f32.h."""

ARITHMETIC: dict[type[Curve], str] = {
    Neg: "tinyc_negate_f32", Square: "tinyc_square_f32", Sign: "tinyc_sign_f32",
}  # fmt: skip
"""Those of tinyc_arithmetic_f32.h."""

WHOLE: dict[type[Curve], str] = {
    Abs: "tinyc_abs_s32", Neg: "tinyc_negate_s32", Sign: "tinyc_sign_s32",
}  # fmt: skip
"""Those of integers, of tinyc_arithmetic_s32.h."""


def _f32(node: Node[Curve]) -> Formula:
    op = node.op
    if type(op) in LIBRARY:
        return Formula(LIBRARY[type(op)], "tinyc_math.h")
    if type(op) in ARITHMETIC:
        return Formula(ARITHMETIC[type(op)], "tinyc_arithmetic_f32.h")
    by_tanh = isinstance(op, Gelu) and op.approximate
    name = "tinyc_gelu_tanh_f32" if by_tanh else CURVES[type(op)]
    return Formula(name, "tinyc_curves_f32.h")


def _s32(node: Node[Curve]) -> Formula:
    return Formula(WHOLE[type(node.op)], "tinyc_arithmetic_s32.h")


def _s16(node: Node[Curve]) -> Formula:
    op = node.op
    if isinstance(op, Abs):
        scale = tuple(scale_fields(input_ratio(node)).values())
        return Formula("tinyc_abs_s16", "tinyc_rectify.h", numbers=scale, wide=True)
    note = f"{type(op).__name__.lower()} of every 128th int16"
    samples = Constant("samples", op.samples(node), note)
    return Formula("tinyc_interpolate16", "tinyc_interpolate16.h", (samples,), wide=True)


for _op in (*LIBRARY, *CURVES, *ARITHMETIC):
    _name = _op.__name__.lower()
    provide(
        _op,
        table_kernel(f"{_name}_s8"),
        *((unary_kernel(f"{_name}_s16", DType.I16, _s16),) if _op.wide else ()),
        unary_kernel(f"{_name}_f32", DType.F32, _f32),
        *(unary_kernel(f"{_name}_{dtype.value}", dtype, _s32) for dtype in _op.integers),
    )
