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


def _bind_s8(node: Node[Comparison]) -> Binding:
    """left, right: what the operands' function takes after them."""
    sign = SIGNS[type(node.op)]
    left, right = ([*scale_fields(v.type.scale, v.type.zero_point).values()] for v in node.inputs)
    formula = Formula(header="tinyc_compare.h")
    return bind_binary(node, caption(node, sign), formula, sign=sign, left=left, right=right)


def _kernel(name: str, dtype: DType) -> Kernel[Comparison]:
    if dtype is DType.I8:
        return looped(f"{name}_s8", dtype, _bind_s8, "comparison_s8.c.j2")
    return looped(f"{name}_{dtype.value}", dtype, _bind, "comparison.c.j2")


for _op, _name in {
    Equal: "equal",
    NotEqual: "not_equal",
    Less: "less",
    LessEqual: "less_equal",
    Greater: "greater",
    GreaterEqual: "greater_equal",
}.items():
    provide(_op, *(_kernel(_name, dtype) for dtype in _op.allowed))
