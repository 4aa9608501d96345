"""How C computes CAST."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops.cast import Cast
from .base import Binding, Kernel, provide
from .unary import unary_inplace, unary_params


def _bind(node: Node) -> Binding:
    source, target = node.inputs[0].type.dtype, node.output.type.dtype
    params = {**unary_params(node), "to_bool": target is DType.BOOL, "saturate": False}
    if source is DType.F32 and target not in (DType.F32, DType.BOOL):
        name = target.c.removesuffix("_t").upper()
        params |= {
            "saturate": True,
            "low": target.limits[0],
            "above": float(target.limits[1]) + 1,
            "least": "0" if target is DType.U8 else f"{name}_MIN",
            "most": f"{name}_MAX",
        }
    return Binding(params=params, inplace=unary_inplace(node))


provide(
    Cast,
    Kernel("cast", "cast.c.j2", frozenset(), lambda node: None, _bind),
)
