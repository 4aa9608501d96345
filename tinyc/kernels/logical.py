"""How C computes LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.logical import LogicalAnd, LogicalNot, LogicalOr
from .base import provide
from .binary import binary_kernel
from .formula import Formula
from .unary import unary_kernel

HEADER = "tinyc_logical.h"


def _formula(node: Node) -> Formula:
    return Formula("tinyc_or" if isinstance(node.op, LogicalOr) else "tinyc_and", HEADER)


def _sign(node: Node) -> str:
    return "||" if isinstance(node.op, LogicalOr) else "&&"


provide(
    LogicalAnd,
    binary_kernel("logical", DType.BOOL, _sign, _formula),
)
provide(
    LogicalNot,
    unary_kernel("logical_not", DType.BOOL, lambda node: Formula("tinyc_not", HEADER)),
)
