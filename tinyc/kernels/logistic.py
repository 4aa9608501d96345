"""How C computes LOGISTIC."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.logistic import Logistic
from .base import provide
from .curves16 import curve16
from .formula import Formula
from .unary import table_kernel, unary_kernel


def _f32(node: Node) -> Formula:
    return Formula("tinyc_logistic_f32", "tinyc_curves_f32.h")


provide(
    Logistic,
    table_kernel("logistic_s8"),
    unary_kernel("logistic_s16", DType.I16, lambda node: curve16("tinyc_logistic_s16", node, 0)),
    unary_kernel("logistic_f32", DType.F32, _f32),
)
