"""How C computes SLICE, STRIDED_SLICE, REVERSE_V2."""

from __future__ import annotations

from ..ops.slice import Slice
from .base import provide
from .move import move_kernel

provide(
    Slice,
    move_kernel("slice"),
)
