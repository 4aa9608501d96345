"""MUL: x * y of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Op, expect_ratio, register
from ..quant import multiply_double_rounding, quantize_multiplier
from ..tir import tvm
from ._binary import NUMBERS, binary_cases, binary_kernel, bind_binary, caption, check_binary
from ._conv import clamp_output, clamp_params, expect_activation
from ._tir_elementwise import Element, saturated
from ._tir_elementwise import binary_kernel as tir_kernel
from ._unary import output_params


@register
@dataclass(frozen=True)
class Mul(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, all int16 or all
    float32."""

    activation: str

    tflite = ("MUL",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(src.activation()), src.operands(2))]

    def check(self, node: Node) -> None:
        check_binary(node, NUMBERS)
        expect_activation(node)
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 255 * 255, _ratio(node))

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        x, y = inputs
        if x.dtype == np.float32:
            return (clamp_output(node, x * y),)
        # MulElementwise of reference_integer_ops/mul.h
        x, y = (
            array.astype(np.int64) - value.type.zero_point
            for array, value in zip(inputs, node.inputs, strict=True)
        )
        z = multiply_double_rounding(x * y, *_multiplier(node)) + node.output.type.zero_point
        return (clamp_output(node, z),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls("none"), NUMBERS)
        yield from binary_cases(rng, cls("relu"), NUMBERS)


def _ratio(node: Node) -> float:
    """x's scale * y's scale / output's scale, in float32 as in TFLite (mul.cc)."""
    x, y, out = (np.float32(v.type.scale) for v in (*node.inputs, node.output))
    return float(x * y / out)


def _multiplier(node: Node) -> tuple[int, int]:
    return quantize_multiplier(_ratio(node))


def _bind_integers(node: Node) -> Binding:
    assert isinstance(node.op, Mul)
    multiplier, shift = _multiplier(node)
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


Mul.kernels = (
    binary_kernel("mul_s8", DType.I8, _bind_integers),
    binary_kernel("mul_s16", DType.I16, _bind_integers, "mul_s8.c.j2"),
    binary_kernel("mul_f32", DType.F32, _bind_f32, "arithmetic_f32.c.j2"),
)


def _element(node: Node) -> Element:
    multiplier, shift = _multiplier(node)
    call = tvm().tirx.call_pure_extern
    zeros = [v.type.zero_point for v in node.inputs]

    def element(x: Any, y: Any) -> Any:
        product = (x - zeros[0]) * (y - zeros[1])
        return saturated(node, call("int32", "tinyc_requant2", product, multiplier, shift))

    return element


Mul.tir = (tir_kernel("mul_s8_tvm", lambda node: "*", _element),)
