"""How C computes SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND."""

from __future__ import annotations

from ..ops.space_to_batch import BatchToSpace, SpaceToBatch
from .base import provide
from .move import move_kernel

provide(
    SpaceToBatch,
    move_kernel("space_to_batch"),
)
provide(
    BatchToSpace,
    move_kernel("batch_to_space"),
)
