"""How C computes LOGICAL_AND, LOGICAL_OR, LOGICAL_NOT."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.logical import LogicalAnd, LogicalNot, LogicalOr
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption
from .conv import portable
from .unary import unary_params


def _bind(node: Node) -> Binding:
    sign = "||" if isinstance(node.op, LogicalOr) else "&&"
    return bind_binary(node, {"caption": caption(node, sign), "sign": sign}, support=())


def _bind_not(node: Node) -> Binding:
    return Binding(params={**unary_params(node), "code": "!x"}, inplace=0)


provide(
    LogicalAnd,
    binary_kernel("logical", DType.BOOL, _bind, "comparison.c.j2"),
)
provide(
    LogicalNot,
    portable("logical_not", DType.BOOL, _bind_not, "expression.c.j2"),
)
