"""Import Conv."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ....ir import Array, Quant, Value
from ....ops._conv import out_sizes
from ....ops.base import CONVERT_AGAIN
from ....ops.conv2d import Conv2d
from ....ops.depthwise_conv2d import DepthwiseConv2d
from ..rule import OnnxOp, rule
from .layout import from_image, pair, to_image, window


@rule(Conv2d, "Conv")
def conv(src: OnnxOp) -> Value:
    weights = src.numbers(1)
    return convolution(src, src.value(0), weights, lambda channels: bias_of(src, 2, channels))


def convolution(
    src: OnnxOp,
    x: Value,
    weights: Array,
    bias: Callable[[int], Array],
    quants: tuple[Quant, Quant] | None = None,
) -> Value:
    """Weights [o, c / group, ...] become [o, kh, kw, c / group], those of a depthwise convolution
    [1, kh, kw, o]. bias: that of so many channels; quants: of the weights, and of the output."""
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
    of_weights, of_output = quants or (None, None)
    term = src.const("bias", bias(channels))
    image = to_image(src, x)
    shape = (x.type.shape[0], *out_sizes(image.type.shape, size, **geometry), channels)
    fields = {**geometry, "activation": "none", "float_scaled": quants is not None}
    op: Conv2d | DepthwiseConv2d = Conv2d(**fields)
    order = (0, 2, 3, 1)
    if depth == 1 and group > 1:
        op, order = DepthwiseConv2d(**fields, multiplier=channels // group), (1, 2, 3, 0)
    if of_weights is not None:
        of_weights = replace(of_weights, axis=op.weight_axis if of_weights.per_channel else 0)
    filters = src.const("weights", np.ascontiguousarray(taps.transpose(order)), of_weights)
    return from_image(src, src.emit(op, [image, filters, term], shape, of_output), rank)


def bias_of(src: OnnxOp, place: int, channels: int) -> Array:
    """The bias [channels], of zeros where operand ``place`` is left out; raises E301."""
    if not src.present(place):
        return np.zeros(channels, np.float32)
    bias = src.numbers(place)
    if bias.size != channels:
        raise src.fail(f"bias has {bias.size} elements, not {channels}", CONVERT_AGAIN, "E301")
    return bias.reshape(channels)
