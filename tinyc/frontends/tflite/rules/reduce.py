"""Import MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD, REDUCE_ANY, REDUCE_ALL."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.reduce import Mean, Reduce, ReduceAll, ReduceAny, ReduceMax, ReduceMin, ReduceProd, Sum
from ..rule import TfliteOp, family


@family(
    {
        "MEAN": Mean,
        "SUM": Sum,
        "REDUCE_MAX": ReduceMax,
        "REDUCE_MIN": ReduceMin,
        "REDUCE_PROD": ReduceProd,
        "REDUCE_ANY": ReduceAny,
        "REDUCE_ALL": ReduceAll,
    }
)
def reduce(cls: type[Reduce], src: TfliteOp) -> list[Node]:
    x, axes = src.operands(2)
    rank = len(x.type.shape)
    given = src.constant_ints(axes)
    if any(not -rank <= a < rank for a in given):
        raise src.fail(f"axes {list(given)} are not those of {x.type}", CONVERT_AGAIN, "E301")
    chosen = tuple(sorted({a % rank for a in given})) if rank else ()
    return [src.node(cls(chosen, bool(src.option("keep_dims")), src.unsigned), [x])]
