"""Import RESHAPE, SQUEEZE, EXPAND_DIMS."""

from __future__ import annotations

import math

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.reshape import Reshape
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(Reshape, "RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def reshape(src: TfliteOp) -> list[Node]:
    x, *rest = src.operands(1, 2)
    shape, actual = x.type.shape, src.outputs[0].type.shape
    if src.name == "RESHAPE":
        if rest and not rest[0].constant:
            # Keras computes it from SHAPE; static shapes leave it one value, the output's.
            wanted = actual
        else:
            wanted = src.constant_ints(rest[0]) if rest else src.ints_option("new_shape")
        if wanted == (0,):  # how old converters write the shape of a scalar
            wanted = ()
        if not rest and not wanted:
            wanted = actual
    elif src.name == "SQUEEZE":
        axes = {wrap_axis(src, a, len(shape)) for a in src.ints_option("squeeze_dims")}
        wanted = tuple(d for i, d in enumerate(shape) if d != 1 or (axes and i not in axes))
    else:
        if len(rest) != 1 or len(src.constant_ints(rest[0])) != 1:
            raise src.fail("its axis is no single number", CONVERT_AGAIN, "E301")
        axis = wrap_axis(src, src.constant_ints(rest[0])[0], len(shape) + 1)
        wanted = (*shape[:axis], 1, *shape[axis:])
    if -1 in wanted:
        known = math.prod(d for d in wanted if d != -1)
        free = x.type.elements // known if known > 0 else 0
        wanted = tuple(free if d == -1 else d for d in wanted)
    if wanted != actual:
        raise src.fail(
            f"gives the shape {list(wanted)}, its output has {list(actual)}",
            CONVERT_AGAIN,
            "E301",
        )
    return [src.node(Reshape(), [x])]
