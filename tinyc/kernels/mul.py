"""How C computes MUL."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node
from ..ops.mul import Mul, mul_multiplier
from .base import Binding, provide, provide_tvm
from .binary import binary_kernel, bind_binary, caption
from .conv import clamp_params
from .tvm import tvm
from .tvm.elementwise import Element, saturated
from .tvm.elementwise import binary_kernel as tir_kernel
from .unary import output_params


def _bind_integers(node: Node) -> Binding:
    assert isinstance(node.op, Mul)
    multiplier, shift = mul_multiplier(node)
    params = {
        "x_offset": -node.inputs[0].type.zero_point,
        "y_offset": -node.inputs[1].type.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        **output_params(node, node.op.activation),
    }
    return bind_binary(node, {"caption": caption(node, "*"), **params})


def _bind_f32(node: Node) -> Binding:
    params = {"caption": caption(node, "*"), "sign": "*", **clamp_params(node)}
    return bind_binary(node, params, support=())


provide(
    Mul,
    binary_kernel("mul_s8", DType.I8, _bind_integers),
    binary_kernel("mul_s16", DType.I16, _bind_integers, "mul_s8.c.j2"),
    binary_kernel("mul_f32", DType.F32, _bind_f32, "arithmetic_f32.c.j2"),
)


def _element(node: Node) -> Element:
    multiplier, shift = mul_multiplier(node)
    call = tvm().tirx.call_pure_extern
    zeros = [v.type.zero_point for v in node.inputs]

    def element(x: Any, y: Any) -> Any:
        product = (x - zeros[0]) * (y - zeros[1])
        return saturated(node, call("int32", "tinyc_requant2", product, multiplier, shift))

    return element


provide_tvm(
    Mul,
    tir_kernel("mul_s8_tvm", lambda node: "*", _element),
)
