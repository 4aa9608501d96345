"""How C computes HARD_SWISH."""

from __future__ import annotations

from ..ops.hard_swish import HardSwish
from .base import provide
from .unary import f32_kernel, table_kernel

provide(
    HardSwish,
    table_kernel("hard_swish_s8"),
    f32_kernel("hard_swish_f32", lambda node: {}),
)
