"""How C computes TANH."""

from __future__ import annotations

from ..ops.tanh import Tanh
from .base import provide
from .curves16 import SIGMOID, SUPPORT16, tanh_params16
from .unary import f32_kernel, s16_kernel, table_kernel

provide(
    Tanh,
    table_kernel("tanh_s8"),
    s16_kernel("tanh_s16", tanh_params16, SUPPORT16, (SIGMOID,)),
    f32_kernel("tanh_f32", lambda node: {}, ("tinyc_math.h",)),
)
