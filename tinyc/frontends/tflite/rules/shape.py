"""Import SHAPE."""

from __future__ import annotations

from ....ir import Node
from ....ops.shape import Shape
from ..rule import TfliteOp, rule


@rule(Shape, "SHAPE")
def shape(src: TfliteOp) -> list[Node]:
    return [src.node(Shape(), src.operands(1))]
