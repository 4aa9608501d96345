"""How C computes ADD, ADD_N, SUB."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir import DType, Node
from ..ir.quant import quantize_multiplier
from ..ops.add import LEFT_SHIFT, Add, add_reals, pot_shifts
from .base import Binding, Kernel, provide, provide_tvm
from .binary import binary_kernel, bind_binary, caption
from .conv import clamp_params
from .tvm import tvm
from .tvm.elementwise import Element, saturated
from .tvm.elementwise import binary_kernel as tir_kernel
from .unary import output_params


def _bind_s8(node: Node) -> Binding:
    assert isinstance(node.op, Add)
    params: dict[str, Any] = {"caption": caption(node, node.op.sign), "sign": node.op.sign}
    for name, real in zip(("left", "right", "sum"), add_reals(node), strict=True):
        multiplier, shift = quantize_multiplier(real)
        # Half of a number shifted up is exact: that operand needs no product.
        params[name] = {"multiplier": multiplier, "shift": shift, "half": real == 0.5}
    for name, value in zip(("left", "right"), node.inputs, strict=True):
        params[name]["offset"] = -value.type.zero_point
    return bind_binary(node, {**params, **output_params(node, node.op.activation)})


def _bind_s16(node: Node) -> Binding:
    bound = _bind_s8(node)
    assert isinstance(node.op, Add)
    return replace(bound, params={**bound.params, "shifts": node.op.pot and pot_shifts(node)})


def _bind_dsp(node: Node) -> Binding:
    bound = _bind_s8(node)
    return replace(bound, support=(*bound.support, "tinyc_dsp.h"))


def _bind_f32(node: Node) -> Binding:
    assert isinstance(node.op, Add)
    params = {"caption": caption(node, node.op.sign), "sign": node.op.sign, **clamp_params(node)}
    return bind_binary(node, params, support=())


_ADD_S8 = binary_kernel("add_s8", DType.I8, _bind_s8)
provide(
    Add,
    Kernel("add_s8_dsp", "add_s8_dsp.c.j2", frozenset({"dsp"}), _ADD_S8.reject, _bind_dsp),
    _ADD_S8,
    binary_kernel("add_s16", DType.I16, _bind_s16),
    binary_kernel("add_f32", DType.F32, _bind_f32, "arithmetic_f32.c.j2"),
)


def _element(node: Node, dsp: bool = False) -> Element:
    assert isinstance(node.op, Add)
    minus, call = node.op.sign == "-", tvm().tirx.call_pure_extern
    reals = add_reals(node)

    def scaled(x: Any, real: float) -> Any:
        """x * real, rounded twice, or once more where SMMULR does the first of them."""
        multiplier, shift = quantize_multiplier(real)
        if not dsp:
            return call("int32", "tinyc_requant2_small", x, multiplier, shift)
        high = call("int32", "tinyc_smmulr", x * 2, multiplier)
        return high if shift == 0 else call("int32", "tinyc_round_right", high, -shift)

    def operand(x: Any, zero: int, real: float) -> Any:
        # Half of a number shifted up is exact: that operand needs no product.
        if real == 0.5:
            return (x - zero) * (1 << LEFT_SHIFT - 1)
        return scaled((x - zero) * (1 << LEFT_SHIFT), real)

    def element(x: Any, y: Any) -> Any:
        x = operand(x, node.inputs[0].type.zero_point, reals[0])
        y = operand(y, node.inputs[1].type.zero_point, reals[1])
        return saturated(node, scaled(x - y if minus else x + y, reals[2]))

    return element


def _sign(node: Node) -> str:
    assert isinstance(node.op, Add)
    return node.op.sign


provide_tvm(
    Add,
    tir_kernel("add_s8_tvm_dsp", _sign, lambda node: _element(node, True), frozenset({"dsp"})),
    tir_kernel("add_s8_tvm", _sign, _element),
)
