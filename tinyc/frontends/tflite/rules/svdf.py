"""Import SVDF."""

from __future__ import annotations

import numpy as np

from ....ir import DType, Node
from ....ops.base import CONVERT_AGAIN
from ....ops.svdf import Svdf
from ..rule import TfliteOp, rule

_STATE = 4


@rule(Svdf, "SVDF")
def svdf(src: TfliteOp) -> list[Node]:
    if len(src.inputs) != 5 or len(src.outputs) != 1:
        what = f"has {len(src.inputs)} inputs and {len(src.outputs)} outputs"
        raise src.fail(f"{what}, not 5 and 1", CONVERT_AGAIN, "E301")
    x, features, times, bias, _ = src.inputs
    if x is None or features is None or times is None:
        raise src.fail("lacks its input or weights", CONVERT_AGAIN, "E301")
    op = Svdf(src.activation(), src.option("rank"))
    if bias is None:
        units = features.type.shape[0] // max(op.rank, 1) if features.type.shape else 0
        kind = np.float32 if x.type.dtype is DType.F32 else np.int32
        bias = src.const("bias", np.zeros(units, kind))
    before, after = src.carry(_STATE)
    return [Node(op, (x, features, times, bias, before), (src.outputs[0], after), src.origin)]
