"""What kernels of pool share."""

from __future__ import annotations

from ..ir import DType, Node
from ..ops._pool import Pool
from ..ops.average_pool import AveragePool2d
from .base import Binding, Kernel
from .conv import clamp_params, portable, window_params


def _bind(node: Node[Pool]) -> Binding:
    op, dtype = node.op, node.output.type.dtype
    average = isinstance(op, AveragePool2d)
    pooling = "TINYC_MAXIMUM"
    if average:
        pooling = "TINYC_AVERAGE_UNSIGNED" if op.unsigned else "TINYC_AVERAGE"
    return Binding(
        params={
            **window_params(node, op.kernel),
            **clamp_params(node),
            "caption": "average" if average else "maximum",
            "average": int(average),
            "pooling": pooling,
            "ctype": dtype.c,
            "function": f"tinyc_pool_s{8 * dtype.size}",
        },
        support=("tinyc_pool_f32.h" if dtype is DType.F32 else "tinyc_pool.h",),
    )


def kernels(name: str) -> tuple[Kernel[Pool], ...]:
    """Those of int8, int16 and float32."""
    return (
        portable(f"{name}_s8", DType.I8, _bind, "pool.c.j2"),
        portable(f"{name}_s16", DType.I16, _bind, "pool.c.j2"),
        portable(f"{name}_f32", DType.F32, _bind, "pool_f32.c.j2"),
    )
