"""Import SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.space_to_batch import BatchToSpace, Pairs, SpaceToBatch
from ..rule import TfliteOp, rule


def _operands(src: TfliteOp) -> tuple[tuple[int, ...], Pairs]:
    """The sizes of a block along the spatial axes, and (before, after) of each of them."""
    _, block, pairs = src.operands(3)
    sizes, flat = src.constant_ints(block), src.constant_ints(pairs)
    if len(flat) != 2 * len(sizes):
        raise src.fail("its block and its pairs differ in length", CONVERT_AGAIN, "E301")
    return sizes, tuple(zip(flat[::2], flat[1::2], strict=True))


@rule(SpaceToBatch, "SPACE_TO_BATCH_ND")
def space_to_batch(src: TfliteOp) -> list[Node]:
    return [src.node(SpaceToBatch(*_operands(src)), src.operands(3)[:1])]


@rule(BatchToSpace, "BATCH_TO_SPACE_ND")
def batch_to_space(src: TfliteOp) -> list[Node]:
    return [src.node(BatchToSpace(*_operands(src)), src.operands(3)[:1])]
