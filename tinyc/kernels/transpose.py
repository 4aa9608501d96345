"""How C computes TRANSPOSE."""

from __future__ import annotations

from ..ops.transpose import Transpose
from .base import provide
from .move import move_kernel

provide(
    Transpose,
    move_kernel("transpose"),
)
