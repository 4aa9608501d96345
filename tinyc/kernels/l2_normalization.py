"""How C computes L2_NORMALIZATION."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.l2_normalization import EPSILON, L2Normalization
from .base import Binding, provide
from .conv import portable


def _bind(node: Node) -> Binding:
    x = node.inputs[0].type
    params = {"depth": x.shape[-1], "rows": x.elements // x.shape[-1]}
    if x.dtype is DType.F32:
        support = ("tinyc_l2_normalization_f32.h",)
        return Binding({**params, "least": EPSILON}, support=support, inplace=0)
    support = ("tinyc_l2_normalization.h",)
    return Binding({**params, "offset": -x.zero_point}, support=support, inplace=0)


provide(
    L2Normalization,
    portable("l2_normalization_s8", DType.I8, _bind),
    portable("l2_normalization_f32", DType.F32, _bind),
)
