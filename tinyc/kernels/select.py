"""How C computes SELECT, SELECT_V2."""

from __future__ import annotations

from ..ir import Node
from ..ops.select import Select
from .base import Binding, Kernel, provide
from .binary import bind_binary
from .formula import Formula


def _bind(node: Node) -> Binding:
    shapes = ["x".join(map(str, v.type.shape)) or "scalar" for v in node.inputs]
    return bind_binary(node, f"{shapes[0]} ? {shapes[1]} : {shapes[2]}", Formula())


provide(
    Select,
    Kernel("select", "select.c.j2", frozenset(),
           lambda node: None if node.variable_inputs else "all operands are constant", _bind),
)  # fmt: skip
