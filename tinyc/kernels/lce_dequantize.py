"""How C computes CUSTOM LceDequantize."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.lce_dequantize import LceDequantize, numbers
from .base import Binding, Kernel, provide


def _bind(node: Node) -> Binding:
    out = node.output.type
    plus, minus = numbers(out)
    return Binding(
        params={
            "ctype": out.dtype.c,
            "rows": out.elements // out.shape[-1],
            "channels": out.shape[-1],
            "kind": "s8" if out.dtype is DType.I8 else out.dtype.value,
            "plus": int(plus),
            "minus": int(minus),
        },
        support=("tinyc_bits.h",),
    )


provide(
    LceDequantize,
    Kernel("lce_dequantize", "lce_dequantize.c.j2", frozenset(), lambda node: None, _bind),
)
