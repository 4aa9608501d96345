"""Import SPLIT, SPLIT_V."""

from __future__ import annotations

from dataclasses import replace

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.split import Split
from ..rule import TfliteOp, rule
from .move import constant_axis


@rule(Split, "SPLIT", "SPLIT_V")
def split(src: TfliteOp) -> list[Node]:
    if src.name == "SPLIT":
        axis_value, x = src.operands(2, outputs=None)
    else:
        x, sizes_value, axis_value = src.operands(3, outputs=None)
    axis = constant_axis(src, axis_value, len(x.type.shape))
    extent, count = x.type.shape[axis], len(src.outputs)
    if src.option("num_splits") != count:
        text = f"states {src.option('num_splits')} parts and has {count} outputs"
        raise src.fail(text, CONVERT_AGAIN, "E301")
    if src.name == "SPLIT":
        if extent % count:
            raise src.fail(f"{extent} elements do not split by {count}", CONVERT_AGAIN, "E301")
        sizes = (extent // count,) * count
    else:
        sizes = src.constant_ints(sizes_value)
        if sizes.count(-1) == 1:
            rest = extent - sum(s for s in sizes if s != -1)
            sizes = tuple(rest if s == -1 else s for s in sizes)
    outputs = src.outputs
    if len(sizes) == count:  # a part without elements is nothing to make
        outputs = tuple(v for v, size in zip(outputs, sizes, strict=True) if size)
    node = src.node(Split(axis, tuple(filter(None, sizes))), [x])
    return [replace(node, outputs=outputs)]
