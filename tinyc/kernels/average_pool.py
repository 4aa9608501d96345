"""How C computes AVERAGE_POOL_2D."""

from __future__ import annotations

from ..ops.average_pool import AveragePool2d
from .base import provide, provide_tvm
from .pool import kernels
from .tvm.elementwise import pool_kernel

provide(AveragePool2d, *kernels("average_pool"))
provide_tvm(AveragePool2d, pool_kernel("average_pool_s8_tvm", average=True))
