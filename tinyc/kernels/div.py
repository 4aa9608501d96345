"""How C computes DIV, FLOOR_DIV, FLOOR_MOD."""

from __future__ import annotations

from typing import Any

from ..ir import DType, Node, Op
from ..ops.div import Div, FloorDiv, FloorMod, div_multiplier
from .base import Binding, provide
from .binary import binary_kernel, bind_binary, caption
from .conv import clamp_params
from .unary import output_params


def _bind_s8(node: Node) -> Binding:
    assert isinstance(node.op, Div)
    multiplier, shift = div_multiplier(node)
    params = {
        "caption": caption(node, "/"),
        "x_offset": -node.inputs[0].type.zero_point,
        "y_offset": -node.inputs[1].type.zero_point,
        "multiplier": multiplier,
        "shift": shift,
        **output_params(node, node.op.activation),
    }
    support = ("tinyc_requant.h", "tinyc_reciprocal.h", "tinyc_divide.h")
    return bind_binary(node, params, support)


def _bind_f32(node: Node) -> Binding:
    params = {"caption": caption(node, "/"), "sign": "/", **clamp_params(node)}
    return bind_binary(node, params, support=())


def _bind_integer(node: Node) -> Binding:
    names: dict[type[Op], Any] = {Div: "/", FloorDiv: "(floor div)", FloorMod: "(floor mod)"}
    params = {"caption": caption(node, names[type(node.op)]), "kind": type(node.op).__name__}
    return bind_binary(node, params, support=())


def _bind_real(node: Node) -> Binding:
    params = _bind_integer(node).params
    return bind_binary(node, params, support=("tinyc_math.h",))


provide(
    Div,
    binary_kernel("div_s8", DType.I8, _bind_s8),
    binary_kernel("div_f32", DType.F32, _bind_f32, "arithmetic_f32.c.j2"),
    binary_kernel("div_i32", DType.I32, _bind_integer, "division_i32.c.j2"),
)
for _op in (FloorDiv, FloorMod):
    _name = {FloorDiv: "floor_div", FloorMod: "floor_mod"}[_op]
    provide(
        _op,
        binary_kernel(f"{_name}_f32", DType.F32, _bind_real),
        binary_kernel(f"{_name}_i32", DType.I32, _bind_integer, "division_i32.c.j2"),
    )
