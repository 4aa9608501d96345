"""How C computes MAX_POOL_2D."""

from __future__ import annotations

from ..ir import DType
from ..ops.max_pool import MaxPool2d
from .base import provide, provide_tvm
from .conv import portable
from .pool import bind
from .tvm.elementwise import pool_kernel

provide(
    MaxPool2d,
    portable("max_pool_s8", DType.I8, bind),
    portable("max_pool_s16", DType.I16, bind, "max_pool_s8.c.j2"),
    portable("max_pool_f32", DType.F32, bind),
)
provide_tvm(
    MaxPool2d,
    pool_kernel("max_pool_s8_tvm", average=False),
)
