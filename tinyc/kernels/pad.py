"""How C computes PAD, PADV2."""

from __future__ import annotations

from ..ops.pad import Pad
from .base import provide
from .move import move_kernel

provide(
    Pad,
    move_kernel("pad"),
)
