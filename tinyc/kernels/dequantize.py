"""How C computes DEQUANTIZE."""

from __future__ import annotations

from ..ir import Node
from ..ops.dequantize import Dequantize
from .base import Binding, Kernel, provide
from .formula import Formula
from .unary import bind_unary


def _bind(node: Node) -> Binding:
    source = node.inputs[0].type
    numbers = (source.zero_point, float(source.scale))
    return bind_unary(node, Formula("tinyc_dequantize", "tinyc_dequantize.h", numbers=numbers))


provide(
    Dequantize,
    Kernel("dequantize", "unary.c.j2", frozenset(), lambda node: None, _bind),
)
