"""Import SVDF."""

from __future__ import annotations

import numpy as np

from ....ir import DType, Node, Value
from ....ops.base import CONVERT_AGAIN
from ....ops.svdf import HybridSvdf, Svdf
from ..rule import TfliteOp, rule
from .hybrid import is_hybrid

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
    if is_hybrid(x, features):
        op = HybridSvdf(op.activation, op.rank, bool(src.option("asymmetric")))
        times = _dequantized(src, times)
    if bias is None:
        units = features.type.shape[0] // max(op.rank, 1) if features.type.shape else 0
        kind = np.float32 if x.type.dtype is DType.F32 else np.int32
        bias = src.const("bias", np.zeros(units, kind))
    before, after = src.carry(_STATE)
    return [Node(op, (x, features, times, bias, before), (src.outputs[0], after), src.origin)]


def _dequantized(src: TfliteOp, times: Value) -> Value:
    """The weights of time as LiteRT has them from its first run on."""
    if times.type.dtype is not DType.I8 or times.data is None or times.type.quant is None:
        return times
    return src.const("times", times.data.astype(np.float32) * np.float32(times.type.scale))
