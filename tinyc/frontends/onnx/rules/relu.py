"""Import Relu."""

from __future__ import annotations

from ....ir import Value
from ....ops.relu import Relu
from ..rule import OnnxOp, rule


@rule(Relu, "Relu")
def relu(src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(Relu("relu"), [x], x.type.shape)
