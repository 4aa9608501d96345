"""How C computes CAST."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.cast import Cast
from .base import Binding, Kernel, provide
from .formula import Formula
from .unary import bind_unary, unary_inplace, unary_params

TRUNCATE = {
    dtype: f"tinyc_truncate_f32_{name}"
    for dtype, name in {
        DType.I8: "s8", DType.U8: "u8", DType.I16: "s16", DType.I32: "s32", DType.I64: "s64",
        DType.U32: "u32", DType.U64: "u64",
    }.items()
}  # fmt: skip
"""The function from float32 to an integer, whose ends C's own conversion does not know."""


def _bind(node: Node) -> Binding:
    return Binding(unary_params(node), inplace=unary_inplace(node))


def _bind_truncate(node: Node) -> Binding:
    function = TRUNCATE[node.output.type.dtype]
    return bind_unary(node, Formula(function, "tinyc_truncate_f32.h"))


def _truncates(node: Node) -> bool:
    return node.inputs[0].type.dtype is DType.F32 and node.output.type.dtype in TRUNCATE


def _reject_truncate(node: Node) -> str | None:
    return None if _truncates(node) else "not from float32 to an integer"


def _reject_bool(node: Node) -> str | None:
    return None if node.output.type.dtype is DType.BOOL else "not to bool"


def _reject(node: Node) -> str | None:
    special = _truncates(node) or node.output.type.dtype is DType.BOOL
    return "C does not convert so" if special else None


provide(
    Cast,
    Kernel("cast", "cast.c.j2", frozenset(), _reject, _bind),
    Kernel("cast_bool", "cast_bool.c.j2", frozenset(), _reject_bool, _bind),
    Kernel("cast_f32", "unary.c.j2", frozenset(), _reject_truncate, _bind_truncate),
)
