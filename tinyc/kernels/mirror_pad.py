"""How C computes MIRROR_PAD."""

from __future__ import annotations

from ..ops.mirror_pad import MirrorPad
from .base import provide
from .move import lookup_kernel

provide(
    MirrorPad,
    lookup_kernel("mirror_pad"),
)
