"""How C computes L2_POOL_2D."""

from __future__ import annotations

from ..ops.l2_pool import L2Pool2d
from .base import provide
from .pool import float_kernel

provide(L2Pool2d, float_kernel("l2_pool_f32"))
