"""Import MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool."""

from __future__ import annotations

from typing import Any

from ....ir import Quant, Value
from ....ops._conv import out_sizes
from ....ops._pool import Pool
from ....ops.average_pool import AveragePool2d
from ....ops.max_pool import MaxPool2d
from ....ops.pad import Pad
from ....ops.reduce import Mean, Reduce, ReduceMax
from ..rule import OnnxOp, family
from .layout import from_image, pair, to_image, window


@family({"MaxPool": MaxPool2d, "AveragePool": AveragePool2d})
def pool(cls: type[Pool], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return pooled(src, x, cls)


def pooled(
    src: OnnxOp, x: Value, cls: type[Pool], quant: Quant | None = None, unsigned: bool = False
) -> Value:
    """x [n, c, ...] pooled; quant: of an output that has not that of the input."""
    rank = len(x.type.shape)
    kernel = src.integers("kernel_shape")
    geometry = window(src, x, kernel)
    if src.outputs > 1:
        raise src.fail("its second output, the places of the greatest, is not supported")
    if geometry.pop("dilation") != (1, 1):
        raise src.fail("it is dilated", "use a pooling without dilations")
    image = to_image(src, x)
    if cls is not MaxPool2d and src.integer("count_include_pad", 0):
        image = _padded(src, image, geometry)
    size = pair(kernel, 1)
    op = cls(geometry["stride"], geometry["padding"], "none", size, unsigned=unsigned)
    n, _, _, channels = image.type.shape
    sizes = out_sizes(image.type.shape, size, op.stride, (1, 1), op.padding)
    return from_image(src, src.emit(op, [image], (n, *sizes, channels), quant), rank)


def _padded(src: OnnxOp, image: Value, geometry: dict[str, Any]) -> Value:
    """``image`` with zeros where the file pads it, which then count as pixels; ``geometry`` keeps
    the padding that only makes the last window whole, which does not."""
    pads = src.integers("pads", (0,) * 4)
    auto = src.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        half = len(pads) // 2
        top, left = pair(pads[:half], 0)
        bottom, right = pair(pads[half:], 0)
    else:
        (top, bottom), (left, right) = geometry["padding"]
    rows, columns = geometry["padding"]
    geometry["padding"] = (
        (rows[0] - top, rows[1] - bottom),
        (columns[0] - left, columns[1] - right),
    )
    if not any((top, bottom, left, right)):
        return image
    n, h, w, c = image.type.shape
    paddings = ((0, 0), (top, bottom), (left, right), (0, 0))
    return src.emit(
        Pad(paddings, image.type.zero_point), [image], (n, h + top + bottom, w + left + right, c)
    )


@family({"GlobalAveragePool": Mean, "GlobalMaxPool": ReduceMax})
def global_pool(cls: type[Reduce], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    rank = len(x.type.shape)
    shape = (*x.type.shape[:2], *(1,) * (rank - 2))
    return src.emit(cls(tuple(range(2, rank)), True), [x], shape)
