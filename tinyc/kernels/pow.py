"""How C computes POW."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.pow import Pow
from .base import provide
from .binary import binary_kernel
from .formula import Formula
from .unary import table_kernel


def _sign(node: Node) -> str:
    return "^"


provide(
    Pow,
    table_kernel("pow_s8"),
    binary_kernel("pow_f32", DType.F32, _sign, lambda node: Formula("powf", "tinyc_math.h")),
    binary_kernel(
        "pow_i32", DType.I32, _sign,
        lambda node: Formula("tinyc_pow_s32", "tinyc_arithmetic_s32.h"),
    ),
)  # fmt: skip
