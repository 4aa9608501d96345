"""How C decides whether a classifier is sure."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.confident import Confident
from .arg_max import SUFFIXES
from .base import Binding, Kernel, provide


def _reject(node: Node[Confident]) -> str | None:
    # C libraries differ in exp, which may decide.
    return "float32" if node.inputs[0].type.dtype is DType.F32 else None


def _bind(node: Node[Confident]) -> Binding:
    type = node.inputs[0].type
    return Binding(
        params={
            "caption": f"CONFIDENT {type}, from {node.op.threshold:g} on",
            "ctype": type.dtype.c,
            "count": type.elements,
            "least": node.op.least(type),
            "function": f"tinyc_reaches_{SUFFIXES[type.dtype]}",
        },
        support=("tinyc_reaches.h",),
    )


provide(Confident, Kernel("confident", "confident.c.j2", frozenset(), _reject, _bind))
