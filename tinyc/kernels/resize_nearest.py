"""How C computes RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from ..ops.resize_nearest import ResizeNearest
from .base import provide
from .move import lookup_kernel

provide(
    ResizeNearest,
    lookup_kernel("resize_nearest"),
)
