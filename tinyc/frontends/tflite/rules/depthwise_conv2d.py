"""Import DEPTHWISE_CONV_2D."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.depthwise_conv2d import DepthwiseConv2d, HybridDepthwiseConv2d
from ..rule import TfliteOp, rule
from .conv import import_window
from .hybrid import import_layer


@rule(DepthwiseConv2d, "DEPTHWISE_CONV_2D")
def depthwise_conv2d(src: TfliteOp) -> list[Node]:
    x, weights, *rest = src.operands(2, 3)
    if len(weights.type.shape) != 4 or not x.type.shape:
        raise src.fail("its weights are not of rank 4", CONVERT_AGAIN, "E301")
    _, kh, kw, channels = weights.type.shape
    window = import_window(src, x, (kh, kw))
    # Files state the multiplier too; like TFLite's kernel, take what the shapes say.
    multiplier = channels // x.type.shape[3]
    op = DepthwiseConv2d(**window, activation=src.activation(), multiplier=multiplier,
             unsigned=src.unsigned)  # fmt: skip
    return [import_layer(src, op, [x, weights, *rest], channels, HybridDepthwiseConv2d)]
