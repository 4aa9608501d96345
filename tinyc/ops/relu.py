"""RELU, RELU6, RELU_N1_TO_1: clamp each element to a range."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Op, expect_ratio, register
from ..quant import float_activation_range, multiply_double_rounding, quantize_multiplier
from . import _tir_elementwise
from ._binary import NUMBERS
from ._conv import clamp_output, clamp_params, expect_activation
from ._unary import check_unary, f32_kernel, s16_kernel, table_kernel, unary_cases


@register
@dataclass(frozen=True)
class Relu(Op):
    """Input and output of one shape, int8 or int16 (which may differ in quantization) or
    float32.

    activation: ``relu``, ``relu6`` or ``relu_n1_to_1``.
    """

    activation: str

    tflite = ("RELU", "RELU6", "RELU_N1_TO_1")
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(src.name.lower()), src.operands(1))]

    def check(self, node: Node) -> None:
        check_unary(node, NUMBERS)
        expect_activation(node)
        if node.output.type.dtype is DType.I8:
            expect_ratio(node, 255, _ratio(node))

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        source, out = node.inputs[0].type, node.output.type
        if out.dtype is DType.F32:
            return (np.clip(x, *map(np.float32, _float_range(self))),)
        centred = x.astype(np.int64) - source.zero_point
        y = multiply_double_rounding(centred, *quantize_multiplier(_ratio(node))) + out.zero_point
        return (clamp_output(node, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from unary_cases(rng, map(cls, ("relu", "relu6", "relu_n1_to_1")), dtypes=NUMBERS)


def _ratio(node: Node) -> float:
    """Input's scale / output's scale, in float32 as in TFLite (ReluPrepare)."""
    return float(np.float32(node.inputs[0].type.scale) / np.float32(node.output.type.scale))


def _float_range(op: Relu) -> tuple[float, float]:
    """The bounds of a RELU of its own, which unlike a fused one lets infinity pass."""
    low, high = float_activation_range(op.activation)
    return low, math.inf if op.activation == "relu" else high


def _f32_params(node: Node) -> dict[str, Any]:
    assert isinstance(node.op, Relu)
    low, high = _float_range(node.op)
    return {"low": low, "high": high, "capped": math.isfinite(high)}


def _params_s16(node: Node) -> dict[str, Any]:
    multiplier, shift = quantize_multiplier(_ratio(node))
    # A ReLU between tensors of one scale is a clamp.
    same = node.inputs[0].type.scale == node.output.type.scale
    return {"multiplier": multiplier, "shift": shift, "same": same, **clamp_params(node)}


Relu.kernels = (
    table_kernel("relu_s8"),
    s16_kernel("relu_s16", _params_s16),
    f32_kernel("relu_f32", _f32_params),
)
Relu.tir = (_tir_elementwise.table_kernel("relu_s8_tvm"),)
