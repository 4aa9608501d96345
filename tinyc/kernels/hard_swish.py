"""How C computes HARD_SWISH."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.hard_swish import HardSwish
from .base import provide
from .formula import Formula
from .unary import table_kernel, unary_kernel


def _f32(node: Node) -> Formula:
    return Formula("tinyc_hard_swish_f32", "tinyc_arithmetic_f32.h")


provide(
    HardSwish,
    table_kernel("hard_swish_s8"),
    unary_kernel("hard_swish_f32", DType.F32, _f32),
)
