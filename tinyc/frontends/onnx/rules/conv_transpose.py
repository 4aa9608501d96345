"""Import ConvTranspose."""

from __future__ import annotations

import numpy as np

from ....ir import Array, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.transpose_conv import TransposeConv
from ..rule import OnnxOp, rule
from .conv import bias_of
from .layout import from_image, pair, to_image


@rule(TransposeConv, "ConvTranspose")
def conv_transpose(src: OnnxOp) -> Value:
    """Weights [c, o / group, ...] become [o, kh, kw, c], with zeros between the taps of a dilated
    filter and where a group does not read a channel."""
    x, weights = src.value(0), src.numbers(1)
    rank = len(x.type.shape)
    if weights.ndim != rank or rank not in (3, 4):
        what = f"its weights have rank {weights.ndim}, its input {rank}"
        raise src.fail(what, "use convolutions of 1 or 2 dimensions")
    group = src.integer("group", 1)
    depth, outs, *kernel = weights.shape
    dims = len(kernel)
    strides = src.integers("strides", (1,) * dims)
    dilations = src.integers("dilations", (1,) * dims)
    more = src.integers("output_padding", (0,) * dims)
    if (
        x.type.shape[1] != depth
        or depth % group
        or not (len(strides) == len(dilations) == len(more) == dims)
    ):
        raise src.fail("its weights or attributes do not fit", CONVERT_AGAIN, "E301")
    filters = _dense(weights, group, dilations)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    full = [
        s * (size - 1) + r + m
        for s, size, r, m in zip(strides, x.type.shape[2:], reach, more, strict=True)
    ]
    cut, sizes = _cut(src, x, full, strides)
    channels = outs * group
    image = to_image(src, x)
    taps = filters.reshape(channels, *pair(tuple(filters.shape[1:-1]), 1), depth)
    operands = [image, src.const("weights", taps), src.const("bias", bias_of(src, 2, channels))]
    op = TransposeConv("none", pair(strides, 1), pair(cut, 0))
    shape = (x.type.shape[0], *pair(sizes, 1), channels)
    return from_image(src, src.emit(op, operands, shape), rank)


def _dense(weights: Array, group: int, dilations: tuple[int, ...]) -> Array:
    """[c, o / group, ...] -> [o, ..., c]."""
    depth, outs, *kernel = weights.shape
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    filters = np.zeros((outs * group, *reach, depth), np.float32)
    steps = tuple(slice(None, None, d) for d in dilations)
    each = depth // group
    for g in range(group):
        own = np.moveaxis(weights[g * each : (g + 1) * each], 0, -1)
        place = (slice(g * outs, (g + 1) * outs), *steps, slice(g * each, (g + 1) * each))
        filters[place] = own
    return filters


def _cut(
    src: OnnxOp, x: Value, full: list[int], strides: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What is cut off in front of each axis of the ``full`` result, and what remains."""
    dims = len(full)
    auto = src.text("auto_pad", "NOTSET")
    pads = src.integers("pads", (0,) * 2 * dims)
    if src.has("output_shape") or auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [size * s for size, s in zip(x.type.shape[2:], strides, strict=True)]
        wanted = list(src.integers("output_shape", wanted))[-dims:]
        total = [f - w for f, w in zip(full, wanted, strict=True)]
        # The odd one is cut in front, but for SAME_UPPER.
        cut = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
    else:
        pads = (0,) * 2 * dims if auto == "VALID" else pads
        cut = list(pads[:dims])
        ends = zip(full, pads[:dims], pads[dims:], strict=True)
        wanted = [f - before - after for f, before, after in ends]
    if min(cut) < 0 or min(wanted) < 1:
        raise src.fail("its padding or output shape is not supported", "pad it by less")
    return tuple(cut), tuple(wanted)
