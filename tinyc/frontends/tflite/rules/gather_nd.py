"""Import GATHER_ND."""

from __future__ import annotations

from ....ir import Node
from ....ops.gather_nd import GatherNd
from ..rule import TfliteOp, rule


@rule(GatherNd, "GATHER_ND")
def gather_nd(src: TfliteOp) -> list[Node]:
    return [src.node(GatherNd(), src.operands(2))]
