"""How C computes RELU, RELU6, RELU_N1_TO_1."""

from __future__ import annotations

import math

from ..ir import DType, Node
from ..ir.quant import activation_range, quantize_multiplier
from ..ops.relu import Relu, float_range, ratio
from .base import provide, provide_tvm
from .formula import Formula, clamp_f32
from .tvm import elementwise as tvm_elementwise
from .unary import table_kernel, unary_kernel


def _f32(node: Node[Relu]) -> Formula:
    low, high = float_range(node.op)
    if (low, high) == (0, math.inf):
        return Formula("tinyc_relu_f32", "tinyc_arithmetic_f32.h")
    return clamp_f32(low, high)


def _s16(node: Node[Relu]) -> Formula:
    bounds = activation_range(node.op.activation, node.output.type)
    numbers = (*quantize_multiplier(ratio(node)), *bounds)
    return Formula("tinyc_relu_s16", "tinyc_rectify.h", numbers=numbers, wide=True)


provide(
    Relu,
    table_kernel("relu_s8"),
    unary_kernel("relu_s16", DType.I16, _s16),
    unary_kernel("relu_f32", DType.F32, _f32),
)
provide_tvm(
    Relu,
    tvm_elementwise.table_kernel("relu_s8_tvm"),
)
