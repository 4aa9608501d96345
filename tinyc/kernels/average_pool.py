"""How C computes AVERAGE_POOL_2D."""

from __future__ import annotations

from ..ir import DType
from ..ops.average_pool import AveragePool2d
from .base import provide, provide_tvm
from .conv import portable
from .pool import bind
from .tvm.elementwise import pool_kernel

provide(
    AveragePool2d,
    portable("average_pool_s8", DType.I8, bind),
    portable("average_pool_s16", DType.I16, bind, "average_pool_s8.c.j2"),
    portable("average_pool_f32", DType.F32, bind),
)
provide_tvm(
    AveragePool2d,
    pool_kernel("average_pool_s8_tvm", average=True),
)
