"""Import GATHER."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.gather import Gather, GatherComputed
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(Gather, "GATHER")
def gather(src: TfliteOp) -> list[Node]:
    x, operand = src.operands(2)
    if src.option("batch_dims"):
        raise src.fail("batch dimensions are not supported", "gather without batch_dims")
    axis = wrap_axis(src, src.option("axis"), len(x.type.shape))
    if not operand.constant:
        return [src.node(GatherComputed(axis), [x, operand])]
    indices = src.constant_ints(operand)
    shape = (*x.type.shape[:axis], *operand.type.shape, *x.type.shape[axis + 1 :])
    if src.outputs[0].type.shape != shape:
        raise src.fail(
            f"gives {list(shape)}, not {list(src.outputs[0].type.shape)}", CONVERT_AGAIN, "E301"
        )
    return [src.node(Gather(axis, indices), [x])]
