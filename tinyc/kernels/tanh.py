"""How C computes TANH."""

from __future__ import annotations

from ..ir import DType
from ..ops.tanh import Tanh
from .base import provide
from .curves16 import curve16
from .formula import Formula
from .unary import table_kernel, unary_kernel

provide(
    Tanh,
    table_kernel("tanh_s8"),
    unary_kernel("tanh_s16", DType.I16, lambda node: curve16("tinyc_tanh_s16", node, 1)),
    unary_kernel("tanh_f32", DType.F32, lambda node: Formula("tanhf", "tinyc_math.h")),
)
