"""How C computes EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.comparison import Comparison, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from .base import Binding, Kernel, provide
from .binary import bind_binary, caption, looped
from .formula import Formula, scale_fields

SIGNS: dict[type[Comparison], str] = {
    Equal: "==", NotEqual: "!=", Less: "<", LessEqual: "<=", Greater: ">", GreaterEqual: ">=",
}  # fmt: skip


def _bind(node: Node[Comparison]) -> Binding:
    sign, ctype = SIGNS[type(node.op)], node.inputs[0].type.dtype.c
    return bind_binary(node, caption(node, sign), Formula(), sign=sign, ctype=ctype)


def _bind_scaled(node: Node[Comparison]) -> Binding:
    """left, right: what the operands' function takes after them."""
    sign = SIGNS[type(node.op)]
    left, right = ([*scale_fields(v.type.scale, v.type.zero_point).values()] for v in node.inputs)
    formula = Formula(header="tinyc_compare.h")
    return bind_binary(node, caption(node, sign), formula, sign=sign, left=left, right=right)


def _kernel(op: type[Comparison], name: str, dtype: DType) -> Kernel[Comparison]:
    suffix = f"s{8 * dtype.size}" if dtype in (DType.I8, DType.I16) else dtype.value
    if dtype in op.scaled:
        return looped(f"{name}_{suffix}", dtype, _bind_scaled, "comparison_scaled.c.j2")
    return looped(f"{name}_{suffix}", dtype, _bind, "comparison.c.j2")


for _op, _name in {
    Equal: "equal",
    NotEqual: "not_equal",
    Less: "less",
    LessEqual: "less_equal",
    Greater: "greater",
    GreaterEqual: "greater_equal",
}.items():
    provide(_op, *(_kernel(_op, _name, dtype) for dtype in _op.allowed))
