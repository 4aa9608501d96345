"""How C computes CONCATENATION."""

from __future__ import annotations

from ..ops.concat import Concat, Rescale
from .base import provide
from .move import move_kernel
from .unary import table_kernel

provide(
    Rescale,
    table_kernel("rescale_s8"),
)
provide(
    Concat,
    move_kernel("concat"),
)
