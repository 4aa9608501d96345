"""How C computes SHAPE."""

from __future__ import annotations

from ..ir import Node
from ..ops.shape import Shape
from .base import Binding, Kernel, provide
from .move import caption


def _bind(node: Node) -> Binding:
    return Binding(
        params={
            "caption": caption(node),
            "in_type": node.inputs[0].type.dtype.c,
            "out_type": node.output.type.dtype.c,
            "shape": list(node.inputs[0].type.shape),
        }
    )


provide(
    Shape,
    Kernel("shape", "shape.c.j2", frozenset(), lambda node: None, _bind),
)
