"""What the two resizes share: options and shapes."""

from __future__ import annotations

from ..ir import Node
from ._move import same_kind
from .base import CONVERT_AGAIN, expect_arity, expect_shape, fail

LARGEST_SIDE = 1 << 14
"""Heights and widths up to this keep every product of the fixed-point resize in 32 bits."""


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
