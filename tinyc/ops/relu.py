"""RELU, RELU6, RELU_N1_TO_1: clamp each element to a range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Op, register
from ..quant import multiply_double_rounding, quantize_multiplier
from . import _tir_elementwise
from ._binary import NUMBERS
from ._conv import clamp_output, clamp_params
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

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(src.name.lower()), src.operands(1))]

    def check(self, node: Node) -> None:
        check_unary(node, NUMBERS)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        source, out = node.inputs[0].type, node.output.type
        if out.dtype is DType.F32:
            return (clamp_output(node, x),)
        centred = x.astype(np.int64) - source.zero_point
        y = multiply_double_rounding(centred, *_multiplier(node)) + out.zero_point
        return (clamp_output(node, y),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from unary_cases(rng, map(cls, ("relu", "relu6", "relu_n1_to_1")), dtypes=NUMBERS)


def _multiplier(node: Node) -> tuple[int, int]:
    """Input's scale / output's scale, in float32 as in TFLite (ReluPrepare)."""
    x, out = (np.float32(v.type.scale) for v in (node.inputs[0], node.output))
    return quantize_multiplier(float(x / out))


def _params_s16(node: Node) -> dict[str, Any]:
    multiplier, shift = _multiplier(node)
    # A ReLU between tensors of one scale is a clamp.
    same = node.inputs[0].type.scale == node.output.type.scale
    return {"multiplier": multiplier, "shift": shift, "same": same, **clamp_params(node)}


Relu.kernels = (
    table_kernel("relu_s8"),
    s16_kernel("relu_s16", _params_s16),
    f32_kernel("relu_f32", clamp_params),
)
Relu.tir = (_tir_elementwise.table_kernel("relu_s8_tvm"),)
