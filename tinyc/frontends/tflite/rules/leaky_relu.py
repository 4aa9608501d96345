"""Import LEAKY_RELU."""

from __future__ import annotations

from ....ir import Node
from ....ops.leaky_relu import LeakyRelu
from ..rule import TfliteOp, rule


@rule(LeakyRelu, "LEAKY_RELU")
def leaky_relu(src: TfliteOp) -> list[Node]:
    return [src.node(LeakyRelu(src.float_option("alpha")), src.operands(1))]
