"""What the rules of move share."""

from __future__ import annotations

from ....ops.base import CONVERT_AGAIN
from ..rule import TfliteOp


def wrap_axis(src: TfliteOp, axis: int, rank: int) -> int:
    """``axis``, counted from the end if negative, as an index under ``rank``; raises E301."""
    if not -rank <= axis < rank:
        raise src.fail(f"axis {axis} is out of range of rank {rank}", CONVERT_AGAIN, "E301")
    return axis % rank
