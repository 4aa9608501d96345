"""How C computes DEQUANTIZE."""

from __future__ import annotations

from ..ir import Node
from ..ops.dequantize import Dequantize
from .base import Binding, Kernel, provide
from .unary import unary_params


def _bind(node: Node) -> Binding:
    source = node.inputs[0].type
    return Binding({**unary_params(node), "offset": -source.zero_point, "scale": source.scale})


provide(
    Dequantize,
    Kernel("dequantize", "dequantize.c.j2", frozenset(), lambda node: None, _bind),
)
