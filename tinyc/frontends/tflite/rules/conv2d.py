"""Import CONV_2D."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.conv2d import Conv2d, HybridConv2d
from ..rule import TfliteOp, rule
from .conv import import_window
from .hybrid import import_layer


@rule(Conv2d, "CONV_2D")
def conv2d(src: TfliteOp) -> list[Node]:
    x, weights, *rest = src.operands(2, 3)
    if len(weights.type.shape) != 4:
        raise src.fail("its weights are not of rank 4", CONVERT_AGAIN, "E301")
    channels, kh, kw, _ = weights.type.shape
    window = import_window(src, x, (kh, kw))
    op = Conv2d(**window, activation=src.activation(), unsigned=src.unsigned)
    return [import_layer(src, op, [x, weights, *rest], channels, HybridConv2d)]
