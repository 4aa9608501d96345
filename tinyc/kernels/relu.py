"""How C computes RELU, RELU6, RELU_N1_TO_1."""

from __future__ import annotations

import math
from typing import Any

from ..ir import Node
from ..ir.quant import quantize_multiplier
from ..ops.relu import Relu, float_range, ratio
from .base import provide, provide_tvm
from .conv import clamp_params
from .tvm import elementwise as tvm_elementwise
from .unary import f32_kernel, s16_kernel, table_kernel


def _f32_params(node: Node) -> dict[str, Any]:
    assert isinstance(node.op, Relu)
    low, high = float_range(node.op)
    return {"low": low, "high": high, "capped": math.isfinite(high)}


def _params_s16(node: Node) -> dict[str, Any]:
    multiplier, shift = quantize_multiplier(ratio(node))
    # A ReLU between tensors of one scale is a clamp.
    same = node.inputs[0].type.scale == node.output.type.scale
    return {"multiplier": multiplier, "shift": shift, "same": same, **clamp_params(node)}


provide(
    Relu,
    table_kernel("relu_s8"),
    s16_kernel("relu_s16", _params_s16),
    f32_kernel("relu_f32", _f32_params),
)
provide_tvm(
    Relu,
    tvm_elementwise.table_kernel("relu_s8_tvm"),
)
