"""How C computes QLinearAveragePool."""

from __future__ import annotations

import math

import numpy as np

from ..ir import Node
from ..ops.qlinear_average_pool import QLinearAveragePool2d
from .base import Binding, Kernel, provide
from .conv import float_words, window_params


def _bind(node: Node[QLinearAveragePool2d]) -> Binding:
    x, out = node.inputs[0].type, node.output.type
    pixels = math.prod(node.op.kernel)
    ratio = x.scale / out.scale
    (scale,), (right,) = float_words(np.array([min(ratio / pixels, 127.0)]))
    # As many roundings to 24 bits as there are sums and steps, of up to 255 steps of the input;
    # those of the zero point, of the scale and of the fixed point.
    window = math.ceil((pixels + 2) * ratio) + 8
    if ratio / pixels >= 127:
        window = 1 << 15  # every mean
    return Binding(
        params={
            **window_params(node, node.op.kernel),
            "in_scale": float(x.scale),
            "in_zero": x.zero_point,
            "out_scale": float(out.scale),
            "out_zero": out.zero_point + node.op.offset,
            "offset": node.op.offset,
            "scale": int(scale),
            "right": int(right),
            "window": min(window, 1 << 15),
        },
        support=("tinyc_qlinear_pool.h",),
    )


provide(
    QLinearAveragePool2d,
    Kernel("qlinear_average_pool_s8", "qlinear_pool.c.j2", frozenset(), lambda node: None, _bind),
)
