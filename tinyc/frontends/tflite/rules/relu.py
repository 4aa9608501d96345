"""Import RELU, RELU6, RELU_N1_TO_1."""

from __future__ import annotations

from ....ir import Node
from ....ops.relu import Relu
from ..rule import TfliteOp, rule


@rule(Relu, "RELU", "RELU6", "RELU_N1_TO_1")
def relu(src: TfliteOp) -> list[Node]:
    return [src.node(Relu(src.name.lower()), src.operands(1))]
