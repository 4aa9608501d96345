"""What kernels of byte_table share."""

from __future__ import annotations

from ..ir import Node
from ..ops.byte_table import ByteTable
from .base import Binding, Constant, Kernel, provide
from .unary import unary_inplace, unary_params


def _bind(node: Node[ByteTable]) -> Binding:
    entries = node.inputs[1].array
    steps = ", ".join(node.op.of)
    note = f"{steps} of each byte, from 0 to 255 as unsigned"
    return Binding(
        params={**unary_params(node), "caption": steps},
        constants=(Constant("table", entries, note),),
        inplace=unary_inplace(node),
    )


provide(
    ByteTable,
    Kernel("byte_table", "lut_s8.c.j2", frozenset(), lambda node: None, _bind),
)
