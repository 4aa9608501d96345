"""What the rules of conv share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....ir import DType, Value
from ....ops._conv import NO_PADDING
from ....ops._mixins import Pair
from ....ops.base import CONVERT_AGAIN
from .. import schema
from ..rule import TfliteOp

# Geometry ---------------------------------------------------------------------------------


def same_padding(size: int, kernel: int, stride: int, dilation: int, out: int) -> Pair:
    """(before, after) of TFLite's SAME padding along one axis; the odd one goes after
    (ComputePaddingWithOffset)."""
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def import_stride(src: TfliteOp) -> Pair:
    """(height, width) of the stride; raises E301 unless both are positive."""
    stride = (src.option("stride_h"), src.option("stride_w"))
    if min(stride) < 1:
        raise src.fail(f"its stride is {list(stride)}", CONVERT_AGAIN, "E301")
    return stride


def import_window(src: TfliteOp, x: Value, kernel: Pair, dilated: bool = True) -> dict[str, Any]:
    """``stride``, ``dilation`` and the explicit ``padding`` of a convolution or a pooling."""
    stride = import_stride(src)
    dilation = (src.option("dilation_h"), src.option("dilation_w")) if dilated else (1, 1)
    if min(dilation) < 1:
        raise src.fail(f"its dilation is {list(dilation)}", CONVERT_AGAIN, "E301")
    if len(x.type.shape) != 4:
        raise src.fail(f"its input has rank {len(x.type.shape)}, not 4", "use NHWC tensors", "E301")
    padding = NO_PADDING
    if src.padding() == "same":
        rows, columns = (
            same_padding(size, k, s, d, -(-size // s))
            for size, k, s, d in zip(x.type.shape[1:3], kernel, stride, dilation, strict=True)
        )
        padding = (rows, columns)
    return {"stride": stride, "dilation": dilation, "padding": padding}


# Weights and bias -------------------------------------------------------------------------


def with_bias(src: TfliteOp, operands: list[Value], channels: int) -> list[Value]:
    """(x, weights, bias) with a bias of zeros where the file has none, or an empty one."""
    if len(operands) == 3 and operands[2].type.elements:
        return operands
    dtype = DType.F32 if operands[0].type.dtype is DType.F32 else DType.I32
    if operands[0].type.dtype is DType.I16 and not _has_narrow_bias(src):
        dtype = DType.I64
    return [*operands[:2], src.const("bias", np.zeros(channels, dtype.numpy))]


def _has_narrow_bias(src: TfliteOp) -> bool:
    """Whether an int16 layer has a bias of 32 bits, if it has any."""
    return (
        src.has_option("bias_type")
        and schema.TENSOR_TYPES.get(src.option("bias_type")) is DType.I32
    )
