"""How C computes MAX_POOL_2D."""

from __future__ import annotations

from ..ops.max_pool import MaxPool2d
from .base import provide, provide_tvm
from .pool import kernels
from .tvm.elementwise import pool_kernel

provide(MaxPool2d, *kernels("max_pool"))
provide_tvm(MaxPool2d, pool_kernel("max_pool_s8_tvm", average=False))
