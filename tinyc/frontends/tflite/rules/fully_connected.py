"""Import FULLY_CONNECTED."""

from __future__ import annotations

from ....ir import Node
from ....ops.base import CONVERT_AGAIN
from ....ops.fully_connected import FullyConnected, HybridFullyConnected
from ..rule import TfliteOp, rule
from .hybrid import import_layer


@rule(FullyConnected, "FULLY_CONNECTED")
def fully_connected(src: TfliteOp) -> list[Node]:
    x, weights, *rest = src.operands(2, 3)
    if src.option("weights_format"):
        raise src.fail("its weights are shuffled", "convert the model with default weights")
    if len(weights.type.shape) != 2:
        raise src.fail("its weights are not of rank 2", CONVERT_AGAIN, "E301")
    op = FullyConnected(src.activation(), bool(src.option("keep_num_dims")), unsigned=src.unsigned)
    channels = weights.type.shape[0]
    return [import_layer(src, op, [x, weights, *rest], channels, HybridFullyConnected)]
