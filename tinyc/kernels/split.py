"""How C computes SPLIT, SPLIT_V."""

from __future__ import annotations

from ..ops.split import Split
from .base import provide
from .move import move_kernel

provide(
    Split,
    move_kernel("split"),
)
