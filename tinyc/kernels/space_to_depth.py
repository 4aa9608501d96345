"""How C computes SPACE_TO_DEPTH, DEPTH_TO_SPACE."""

from __future__ import annotations

from ..ops.space_to_depth import DepthToSpace, SpaceToDepth
from .base import provide
from .move import move_kernel

provide(
    SpaceToDepth,
    move_kernel("space_to_depth"),
)
provide(
    DepthToSpace,
    move_kernel("depth_to_space"),
)
