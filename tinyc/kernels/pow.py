"""How C computes POW."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.pow import Pow
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption
from .unary import table_kernel


def _bind(node: Node) -> Binding:
    real = node.output.type.dtype is DType.F32
    support = ("tinyc_math.h",) if real else ()
    return bind_binary(node, {"caption": caption(node, "^")}, support)


provide(
    Pow,
    table_kernel("pow_s8"),
    binary_kernel("pow_f32", DType.F32, _bind),
    binary_kernel("pow_i32", DType.I32, _bind),
)
