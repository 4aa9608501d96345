"""What the rules of images share: from ONNX's order of the axes to tinyc's, and back.

ONNX has [n, c, h, w], or [n, c, w] of one dimension; tinyc [n, h, w, c], with h = 1 there. The
transpositions that this takes are removed again where layers of images follow each other, see
`tinyc.passes.sink_transposes`.
"""

from __future__ import annotations

import math
from typing import Any

from ....ir import Value
from ....ops._mixins import Pair
from ....ops.base import CONVERT_AGAIN
from ..rule import OnnxOp


def to_image(src: OnnxOp, x: Value) -> Value:
    """[n, c, h, w] or [n, c, w] -> [n, h, w, c]. Raises E302 for another number of dimensions."""
    rank = len(x.type.shape)
    if rank not in (3, 4):
        raise src.fail(
            f"its input has {rank - 2} dimensions besides batch and channels", "use 1 or 2"
        )
    if rank == 4:
        return src.transposed(x, (0, 2, 3, 1))
    n, c, w = x.type.shape
    return src.reshaped(src.transposed(x, (0, 2, 1)), (n, 1, w, c))


def from_image(src: OnnxOp, y: Value, rank: int) -> Value:
    """[n, h, w, c] -> [n, c, h, w], or [n, c, w] if ``rank`` is 3."""
    if rank == 4:
        return src.transposed(y, (0, 3, 1, 2))
    n, _, w, c = y.type.shape
    return src.transposed(src.reshaped(y, (n, w, c)), (0, 2, 1))


def pair(values: tuple[int, ...], other: int) -> Pair:
    """(height, width) of one or two values; the height of one is ``other``."""
    return (other, values[0]) if len(values) == 1 else (values[0], values[1])


def window(src: OnnxOp, x: Value, kernel: tuple[int, ...]) -> dict[str, Any]:
    """``stride``, ``dilation`` and the explicit ``padding`` of a convolution or a pooling over x
    [n, c, ...] with a ``kernel`` of as many sizes. Raises E301."""
    rank = len(kernel)
    sizes = x.type.shape[2:]
    strides = src.integers("strides", (1,) * rank)
    dilations = src.integers("dilations", (1,) * rank)
    pads = src.integers("pads", (0,) * 2 * rank)
    if not len(sizes) == len(strides) == len(dilations) == rank == len(pads) / 2:
        raise src.fail("its kernel, strides, dilations or pads do not fit", CONVERT_AGAIN, "E301")
    if min(*kernel, *strides, *dilations) < 1:
        raise src.fail("has a kernel, stride or dilation under 1", CONVERT_AGAIN, "E301")
    auto = src.text("auto_pad", "NOTSET")
    padding = list(zip(pads[:rank], pads[rank:], strict=True))
    if auto == "VALID":
        padding = [(0, 0)] * rank
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        padding = [
            _same(size, k, s, d, auto == "SAME_LOWER")
            for size, k, s, d in zip(sizes, kernel, strides, dilations, strict=True)
        ]
    elif auto != "NOTSET":
        raise src.fail(f"its auto_pad is {auto!r}", CONVERT_AGAIN, "E301")
    if src.has("ceil_mode") and src.integer("ceil_mode"):
        padding = [
            (before, after + _ceil(size + before + after, k, s, d, before + size))
            for size, (before, after), k, s, d in zip(
                sizes, padding, kernel, strides, dilations, strict=True
            )
        ]
    return {
        "stride": pair(strides, 1),
        "dilation": pair(dilations, 1),
        "padding": (padding[0], padding[1]) if rank == 2 else ((0, 0), padding[0]),
    }


def _same(size: int, kernel: int, stride: int, dilation: int, lower: bool) -> Pair:
    """(before, after) of SAME_UPPER, which has the odd one after, or SAME_LOWER."""
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    half = total // 2
    return (total - half, half) if lower else (half, total - half)


def _ceil(padded: int, kernel: int, stride: int, dilation: int, end: int) -> int:
    """How much more padding makes the last window, which is not whole, one of its own; it has to
    begin before ``end``, where the padding behind the input does."""
    reach = (kernel - 1) * dilation + 1
    out = math.ceil((padded - reach) / stride) + 1
    if (out - 1) * stride >= end:
        out -= 1
    return max(0, (out - 1) * stride + reach - padded)
