"""What the rules of resize share."""

from __future__ import annotations

from ....ir import Value
from ....ops.base import CONVERT_AGAIN
from ..rule import TfliteOp


def import_resize(src: TfliteOp) -> tuple[Value, tuple[int, int], bool, bool]:
    """(x, (height, width), align_corners, half_pixel_centers); raises E301."""
    x, operand = src.operands(2)
    size = src.constant_ints(operand)
    if len(size) != 2:
        raise src.fail(f"its size is {list(size)}", CONVERT_AGAIN, "E301")
    align, half = bool(src.option("align_corners")), bool(src.option("half_pixel_centers"))
    if align and half:
        raise src.fail("aligns corners and pixel centers", CONVERT_AGAIN, "E301")
    return x, (size[0], size[1]), align, half
