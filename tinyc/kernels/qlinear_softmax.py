"""How C computes QLinearSoftmax."""

from __future__ import annotations

from ..ir import Node
from ..ops.qlinear_softmax import QLinearSoftmax
from .base import Binding, Constant, Kernel, provide
from .softmax import sizes


def _bind(node: Node[QLinearSoftmax]) -> Binding:
    scale = node.inputs[0].type.scale
    note = f"exp(-i * {scale:.6g}), times what makes them large"
    return Binding(
        params={
            **sizes(node),
            "steps": float(node.op.steps(node)),
            "zero_point": node.output.type.zero_point,
        },
        constants=(Constant("powers", node.op.powers(node), note),),
        support=("tinyc_qlinear_softmax.h",),
        inplace=0,
    )


provide(
    QLinearSoftmax,
    Kernel("qlinear_softmax_s8", "qlinear_softmax.c.j2", frozenset(), lambda node: None, _bind),
)
