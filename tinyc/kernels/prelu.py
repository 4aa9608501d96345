"""How C computes PRELU."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ops.prelu import Prelu, multipliers
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption
from .unary import output_params


def _bind_s8(node: Node) -> Binding:
    params: dict[str, Any] = {
        "caption": caption(node, "(prelu)"),
        "x_offset": -node.inputs[0].type.zero_point,
        "alpha_offset": -node.inputs[1].type.zero_point,
        **output_params(node),
    }
    for name, (multiplier, shift) in zip(("positive", "negative"), multipliers(node), strict=True):
        params |= {f"{name}_multiplier": multiplier, f"{name}_shift": shift}
    return bind_binary(node, params)


def _bind_f32(node: Node) -> Binding:
    return bind_binary(node, {"caption": caption(node, "(prelu)")}, support=())


provide(
    Prelu,
    binary_kernel("prelu_s8", DType.I8, _bind_s8),
    binary_kernel("prelu_f32", DType.F32, _bind_f32),
)
