"""Import CUSTOM LceBMaxPool2d."""

from __future__ import annotations

from ....ir import Node
from ....ops._conv import NO_PADDING
from ....ops.base import CONVERT_AGAIN
from ....ops.lce_bmaxpool2d import LceBMaxPool2d
from ..rule import TfliteOp, rule
from .conv import same_padding


@rule(LceBMaxPool2d, "CUSTOM LceBMaxPool2d")
def lce_bmax_pool2d(src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1)
    o = src.custom_options(
        "filter_height", "filter_width", "stride_height", "stride_width", "padding"
    )
    kernel = (o["filter_height"], o["filter_width"])
    stride = (o["stride_height"], o["stride_width"])
    if min(kernel + stride) < 1:
        raise src.fail(f"its filter is {kernel}, its stride {stride}", CONVERT_AGAIN, "E301")
    if len(x.type.shape) != 4:
        raise src.fail("its input is not of rank 4", CONVERT_AGAIN, "E301")
    padding = NO_PADDING
    if src.padding_name(o["padding"]) == "same":
        rows, columns = (
            same_padding(size, k, s, 1, -(-size // s))
            for size, k, s in zip(x.type.shape[1:3], kernel, stride, strict=True)
        )
        padding = (rows, columns)
    return [src.node(LceBMaxPool2d(stride, padding, kernel), [x])]
