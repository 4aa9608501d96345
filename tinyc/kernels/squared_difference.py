"""How C computes SQUARED_DIFFERENCE."""

from __future__ import annotations

from ..ir import DType, Node
from ..ir.quant import quantize_multiplier
from ..ops.squared_difference import SquaredDifference, squared_difference_reals
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption
from .unary import output_params


def _bind_s8(node: Node) -> Binding:
    params = {"caption": caption(node, "(squared difference)"), **output_params(node)}
    for name, real in zip(("left", "right", "square"), squared_difference_reals(node), strict=True):
        multiplier, shift = quantize_multiplier(real)
        params[name] = {"multiplier": multiplier, "shift": shift}
    for name, value in zip(("left", "right"), node.inputs, strict=True):
        params[name]["offset"] = -value.type.zero_point
    return bind_binary(node, params)


def _bind(node: Node) -> Binding:
    return bind_binary(node, {"caption": caption(node, "(squared difference)")}, support=())


provide(
    SquaredDifference,
    binary_kernel("squared_difference_s8", DType.I8, _bind_s8),
    binary_kernel("squared_difference_f32", DType.F32, _bind),
    binary_kernel("squared_difference_i32", DType.I32, _bind),
)
