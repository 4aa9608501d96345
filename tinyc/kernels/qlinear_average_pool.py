"""How C computes QLinearAveragePool."""

from __future__ import annotations

from ..ir import Node
from ..ops.qlinear_average_pool import QLinearAveragePool2d
from .base import Binding, Kernel, provide
from .conv import window_params


def _bind(node: Node[QLinearAveragePool2d]) -> Binding:
    x, out = node.inputs[0].type, node.output.type
    return Binding(
        params={
            **window_params(node, node.op.kernel),
            "in_scale": float(x.scale),
            "in_zero": x.zero_point,
            "out_scale": float(out.scale),
            "out_zero": out.zero_point + node.op.offset,
            "offset": node.op.offset,
        },
        support=("tinyc_qlinear_pool.h",),
    )


provide(
    QLinearAveragePool2d,
    Kernel("qlinear_average_pool_s8", "qlinear_pool.c.j2", frozenset(), lambda node: None, _bind),
)
