"""Import PACK, UNPACK."""

from __future__ import annotations

from ....ir import Node
from ....ops.pack import Pack, Unpack
from ..rule import TfliteOp, rule
from .move import wrap_axis


@rule(Pack, "PACK")
def pack(src: TfliteOp) -> list[Node]:
    inputs = src.operands(1, 1 << 16)
    return [src.node(Pack(wrap_axis(src, src.option("axis"), len(inputs[0].type.shape) + 1)))]


@rule(Unpack, "UNPACK")
def unpack(src: TfliteOp) -> list[Node]:
    (x,) = src.operands(1, outputs=None)
    return [src.node(Unpack(wrap_axis(src, src.option("axis"), len(x.type.shape))))]
