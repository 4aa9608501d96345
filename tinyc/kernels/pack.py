"""How C computes PACK, UNPACK."""

from __future__ import annotations

from ..ops.pack import Pack, Unpack
from .base import provide
from .move import move_kernel

provide(
    Pack,
    move_kernel("pack"),
)
provide(
    Unpack,
    move_kernel("unpack"),
)
