"""Import Add, Sub, Mul."""

from __future__ import annotations

from ....ir import Value
from ....ops.add import Add, Sub
from ....ops.mul import Mul
from ..rule import OnnxOp, family


@family({"Add": Add, "Sub": Sub, "Mul": Mul})
def arithmetic(cls: type[Add] | type[Mul], src: OnnxOp) -> Value:
    a, b = src.values(2)
    return src.emit(cls("none"), [a, b], src.broadcast(a.type.shape, b.type.shape))
