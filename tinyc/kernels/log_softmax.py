"""How C computes LOG_SOFTMAX."""

from __future__ import annotations

import numpy as np

from ..ir import DType, Node
from ..ops.log_softmax import LogSoftmax
from .base import Binding, provide
from .conv import portable


def _bind(node: Node) -> Binding:
    x = node.inputs[0].type
    params = {"depth": x.shape[-1], "rows": x.elements // x.shape[-1]}
    least = float(np.finfo(np.float32).min)
    return Binding({**params, "least": least}, support=("tinyc_softmax_f32.h",), inplace=0)


provide(
    LogSoftmax,
    portable("log_softmax_f32", DType.F32, _bind),
)
