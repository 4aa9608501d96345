"""How C computes LOGISTIC."""

from __future__ import annotations

from ..ops.logistic import Logistic
from .base import provide
from .curves16 import SIGMOID, SUPPORT16, logistic_params16
from .unary import f32_kernel, s16_kernel, table_kernel

provide(
    Logistic,
    table_kernel("logistic_s8"),
    s16_kernel("logistic_s16", logistic_params16, SUPPORT16, (SIGMOID,)),
    f32_kernel("logistic_f32", lambda node: {}, ("tinyc_math.h",)),
)
