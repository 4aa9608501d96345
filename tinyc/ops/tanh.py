"""TANH: the hyperbolic tangent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import Node, Quant
from ..op import Op, register
from ._unary import check_unary, f32_kernel, float_curve, table_kernel, unary_cases

OUTPUT = Quant((1 / 128,), (0,))
"""The only int8 output that TFLite's tanh has."""


@register
@dataclass(frozen=True)
class Tanh(Op):
    """Input and output of one shape, int8 (output scale 1/128, zero point 0) or float32."""

    tflite = ("TANH",)
    elementwise = True
    fixed_quant = OUTPUT

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(1))]

    def check(self, node: Node) -> None:
        check_unary(node, fixed=OUTPUT)

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            return (np.tanh(x),)
        # in double, since float32's tanh differs from one library to another
        return (float_curve(node, x, lambda real: np.tanh(real.astype(np.float64))),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from unary_cases(rng, (cls(),), OUTPUT)


Tanh.kernels = (
    table_kernel("tanh_s8"),
    f32_kernel("tanh_f32", lambda node: {}, ("tinyc_math.h",)),
)
