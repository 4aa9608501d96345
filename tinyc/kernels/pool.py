"""What kernels of pool share."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from .base import Binding
from .conv import clamp_params, window_params


def bind(node: Node) -> Binding:
    """Parameters of all element types' templates."""
    op: Any = node.op
    return Binding(
        params={
            **window_params(node, op.kernel),
            **clamp_params(node),
            "clamped": op.activation != "none",
            "ctype": node.output.type.dtype.c,
            "unsigned": op.unsigned,
            "taps": op.kernel[0] * op.kernel[1],
        },
        support=() if node.output.type.dtype is DType.F32 else ("tinyc_requant.h",),
    )
