"""Import functions of one number."""

from __future__ import annotations

from ....ir import Op, Value
from ....ops.logistic import Logistic
from ....ops.tanh import Tanh
from ..rule import OnnxOp, family


@family({"Sigmoid": Logistic, "Tanh": Tanh})
def curve(cls: type[Op], src: OnnxOp) -> Value:
    (x,) = src.values(1)
    return src.emit(cls(), [x], x.type.shape)
