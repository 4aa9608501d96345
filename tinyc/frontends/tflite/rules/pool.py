"""What the rules of pool share."""

from __future__ import annotations

from ....ir import Node
from ....ops._pool import Pool
from ....ops.average_pool import AveragePool2d
from ....ops.base import CONVERT_AGAIN
from ....ops.l2_pool import L2Pool2d
from ....ops.max_pool import MaxPool2d
from ..rule import TfliteOp, family
from .conv import import_window


@family({"MAX_POOL_2D": MaxPool2d, "AVERAGE_POOL_2D": AveragePool2d, "L2_POOL_2D": L2Pool2d})
def pool(cls: type[Pool], src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1)
    kernel = (src.option("filter_h"), src.option("filter_w"))
    if min(kernel) < 1:
        raise src.fail(f"its filter is {list(kernel)}", CONVERT_AGAIN, "E301")
    window = import_window(src, x, kernel, dilated=False)
    stride, padding = window["stride"], window["padding"]
    return [src.node(cls(stride, padding, src.activation(), kernel, unsigned=src.unsigned))]
