"""How C computes TOY_RAISE."""

from __future__ import annotations

from ..ir import Node
from ..ops.toy_raise import ToyRaise
from .base import Binding, Kernel, provide


def _bind(node: Node[ToyRaise]) -> Binding:
    params = {"by": node.op.by, "count": node.output.type.elements}
    return Binding(params, support=("tinyc_toy_raise.h",), inplace=0)


provide(
    ToyRaise, Kernel("toy_raise_s8", "toy_raise_s8.c.j2", frozenset(), lambda node: None, _bind)
)
