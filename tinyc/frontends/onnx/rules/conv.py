"""Import Conv."""

from __future__ import annotations

import numpy as np

from ....ir import Array, Value
from ....ops._conv import out_sizes
from ....ops.base import CONVERT_AGAIN
from ....ops.conv2d import Conv2d
from ....ops.depthwise_conv2d import DepthwiseConv2d
from ..rule import OnnxOp, rule
from .layout import from_image, pair, to_image, window


@rule(Conv2d, "Conv")
def conv(src: OnnxOp) -> Value:
    """Weights [o, c / group, ...] become [o, kh, kw, c / group], those of a depthwise convolution
    [1, kh, kw, o]."""
    x, weights = src.value(0), src.numbers(1)
    rank = len(x.type.shape)
    if weights.ndim != rank or rank not in (3, 4):
        what = f"its weights have rank {weights.ndim}, its input {rank}"
        raise src.fail(what, "use convolutions of 1 or 2 dimensions")
    channels, depth, *kernel = weights.shape
    group = src.integer("group", 1)
    given = src.integers("kernel_shape", kernel)
    if x.type.shape[1] != depth * group or given != tuple(kernel) or group < 1:
        raise src.fail(
            f"weights {list(weights.shape)} in {group} groups do not fit {list(x.type.shape)}",
            CONVERT_AGAIN, "E301",
        )  # fmt: skip
    geometry = window(src, x, tuple(kernel))
    size = pair(tuple(kernel), 1)
    taps = weights.reshape(channels, depth, *size)
    bias = src.const("bias", bias_of(src, 2, channels))
    image = to_image(src, x)
    shape = (x.type.shape[0], *out_sizes(image.type.shape, size, **geometry), channels)
    op: Conv2d | DepthwiseConv2d
    if depth == 1 and group > 1:
        filters = src.const("weights", np.ascontiguousarray(taps.transpose(1, 2, 3, 0)))
        op = DepthwiseConv2d(**geometry, activation="none", multiplier=channels // group)
    else:
        filters = src.const("weights", np.ascontiguousarray(taps.transpose(0, 2, 3, 1)))
        op = Conv2d(**geometry, activation="none")
    return from_image(src, src.emit(op, [image, filters, bias], shape), rank)


def bias_of(src: OnnxOp, place: int, channels: int) -> Array:
    """The bias [channels], of zeros where operand ``place`` is left out; raises E301."""
    if not src.present(place):
        return np.zeros(channels, np.float32)
    bias = src.numbers(place)
    if bias.size != channels:
        raise src.fail(f"bias has {bias.size} elements, not {channels}", CONVERT_AGAIN, "E301")
    return bias.reshape(channels)
