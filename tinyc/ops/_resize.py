"""What the two resizes share: options and shapes."""

from __future__ import annotations

from ..frontends.tflite import CONVERT_AGAIN, TfliteOp
from ..ir import Node, Value
from ..op import expect_arity, expect_shape, fail
from ._move import same_kind

LARGEST_SIDE = 1 << 14
"""Heights and widths up to this keep every product of the fixed-point resize in 32 bits."""


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


def check_resize(node: Node, size: tuple[int, int]) -> None:
    """[n, h, w, c] to [n, *size, c] of the same kind."""
    expect_arity(node, 1)
    x, out = node.inputs[0].type, node.output.type
    if len(x.shape) != 4:
        raise fail(node, f"its input has rank {len(x.shape)}, not 4", CONVERT_AGAIN, "E301")
    expect_shape(node, out, (x.shape[0], *size, x.shape[3]), "output")
    same_kind(node, x, out)
    if max(*x.shape[1:3], *size) > LARGEST_SIDE:
        raise fail(node, f"a side is longer than {LARGEST_SIDE}", "resize smaller images")
