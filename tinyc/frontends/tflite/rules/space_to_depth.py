"""Import SPACE_TO_DEPTH, DEPTH_TO_SPACE."""

from __future__ import annotations

from ....ir import Node
from ....ops.space_to_depth import DepthToSpace, SpaceToDepth
from ..rule import TfliteOp, rule


@rule(SpaceToDepth, "SPACE_TO_DEPTH")
def space_to_depth(src: TfliteOp) -> list[Node]:
    return [src.node(SpaceToDepth(src.option("block_size")), src.operands(1))]


@rule(DepthToSpace, "DEPTH_TO_SPACE")
def depth_to_space(src: TfliteOp) -> list[Node]:
    return [src.node(DepthToSpace(src.option("block_size")), src.operands(1))]
