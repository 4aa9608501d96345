"""Import TRANSPOSE_CONV."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.transpose_conv import HybridTransposeConv, TransposeConv
from ..rule import TfliteOp, rule
from .conv import import_stride, same_padding
from .hybrid import import_layer


@rule(TransposeConv, "TRANSPOSE_CONV")
def transpose_conv(src: TfliteOp) -> list[Node]:
    shape, weights, x, *rest = src.operands(3, 4)
    out = src.outputs[0].type.shape
    # A shape that an input tells is the one in the file, as to TensorFlow Lite Micro.
    stated = src.constant_ints(shape) if shape.constant else out
    if stated != out or len(out) != 4 or len(weights.type.shape) != 4:
        raise src.fail("its output shape is not what it states", CONVERT_AGAIN, "E301")
    stride, cut = import_stride(src), (0, 0)
    channels, *kernel, _ = weights.type.shape
    if src.padding() == "same":
        # The padding of the convolution that this one is the gradient of.
        top, left = (
            same_padding(size, k, s, 1, -(-size // s))[0]
            for size, k, s in zip(out[1:3], kernel, stride, strict=True)
        )
        cut = (top, left)
    op = TransposeConv(src.activation(), stride, cut, unsigned=src.unsigned)
    return [import_layer(src, op, [x, weights, *rest], channels, HybridTransposeConv)]
