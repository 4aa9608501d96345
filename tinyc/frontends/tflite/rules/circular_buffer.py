"""Import CIRCULAR_BUFFER, with which TensorFlow Lite Micro streams convolutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ....ir import Node, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.concat import Concat
from ....ops.reshape import Reshape
from ....ops.slice import Slice
from ..rule import TfliteOp, rule

_EVERY_TIME = (5, 13, 25)
"""Slots with which a buffer goes on every time, where the file does not say how often it does
(circular_buffer_common.cc)."""


@rule(Concat, "CUSTOM CIRCULAR_BUFFER")
def circular_buffer(src: TfliteOp) -> list[Node]:
    """What came last, with the input behind it: x [batch, 1, w, c] to [batch, slots, w, c]."""
    (x,) = src.operands(1)
    y, shape = src.outputs[0], x.type.shape
    slots = y.type.shape[1] if len(y.type.shape) == 4 else 0
    if len(shape) != 4 or shape[1] != 1 or y.type.shape != (shape[0], slots, *shape[2:]):
        raise src.fail(f"its input is {x.type}, its output {y.type}", CONVERT_AGAIN, "E301")
    cycles = src.custom_options(cycles_max=0)["cycles_max"] if src.source.custom else 0
    if (cycles or (1 if slots in _EVERY_TIME else 2)) != 1:
        raise src.fail(
            f"ends a run early, but for every {cycles or 2}. one",
            "stream without strides in time: cycles_max=1",
        )
    if slots == 1:
        return [src.node(Reshape(), [x])]
    empty = np.full(y.type.shape, y.type.zero_point, y.type.dtype.numpy)
    before, _ = src.keep(empty, y)
    sizes = (shape[0], slots - 1, *shape[2:])
    last = Value(f"{y.name}/last", replace(y.type, shape=sizes), src.origin)
    move = Slice((0, 1, 0, 0), (1,) * 4, sizes)
    return [Node(move, (before,), (last,), src.origin), src.node(Concat(1), [last, x])]
