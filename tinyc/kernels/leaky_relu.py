"""How C computes LEAKY_RELU."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.leaky_relu import LeakyRelu
from .base import provide
from .formula import Fields, Formula, scale_fields
from .unary import table_kernel, unary_kernel


def _s16(node: Node[LeakyRelu]) -> Formula:
    above, below = node.op._ratios(node)
    fields: Fields = {"above": scale_fields(above), "below": scale_fields(below)}
    name = "tinyc_leaky_relu"
    return Formula(f"{name}_s16", "tinyc_rectify.h", struct=name, fields=fields, wide=True)


def _f32(node: Node[LeakyRelu]) -> Formula:
    numbers = (float(node.op.alpha),)
    return Formula("tinyc_leaky_relu_f32", "tinyc_arithmetic_f32.h", numbers=numbers)


provide(
    LeakyRelu,
    table_kernel("leaky_relu_s8"),
    unary_kernel("leaky_relu_s16", DType.I16, _s16),
    unary_kernel("leaky_relu_f32", DType.F32, _f32),
)
