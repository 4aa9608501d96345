"""Import BATCH_MATMUL."""

from __future__ import annotations

from ....ir import Node
from ....ops.batch_matmul import BatchMatMul
from ..rule import TfliteOp, rule


@rule(BatchMatMul, "BATCH_MATMUL")
def batch_mat_mul(src: TfliteOp) -> list[Node]:
    a, b = src.operands(2)
    return [src.node(BatchMatMul(bool(src.option("adj_x")), bool(src.option("adj_y"))), [a, b])]
