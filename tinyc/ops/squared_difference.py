"""SQUARED_DIFFERENCE: (x - y)^2 of broadcast operands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..frontends.tflite import TfliteOp
from ..ir import DType, Node
from ..op import Binding, Op, fail, register
from ..quant import clamp, multiply_double_rounding, quantize_multiplier
from ._binary import WHOLE, binary_cases, binary_kernel, bind_binary, caption, check_binary
from ._unary import output_params

LEFT_SHIFT = 7
"""Bits by which int8 operands are shifted up; their difference's square still fits 31."""


@register
@dataclass(frozen=True)
class SquaredDifference(Op):
    """Inputs: x, y, which broadcast; output of their common shape; all int8, float32 or int32,
    which keeps its low bits."""

    tflite = ("SQUARED_DIFFERENCE",)
    elementwise = True

    @classmethod
    def from_tflite(cls, src: TfliteOp) -> list[Node]:
        return [src.node(cls(), src.operands(2))]

    def check(self, node: Node) -> None:
        check_binary(node, WHOLE)
        if node.output.type.dtype is DType.I8 and not _reals(node)[2] < 1:
            raise fail(
                node, "its operands' scales are too large for its output's",
                "quantize the model again, with data like the real one", "E304",
            )  # fmt: skip

    def evaluate(self, node: Node, *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        if node.output.type.dtype is not DType.I8:
            with np.errstate(all="ignore"):
                return (np.square(np.subtract(*inputs)),)
        # SquaredDifference of squared_difference.cc
        reals, out = _reals(node), node.output.type
        x, y = (
            multiply_double_rounding(
                (array.astype(np.int64) - value.type.zero_point) << LEFT_SHIFT,
                *quantize_multiplier(real),
            )
            for array, value, real in zip(inputs, node.inputs, reals[:2], strict=True)
        )
        z = multiply_double_rounding((x - y) ** 2, *quantize_multiplier(reals[2]))
        return (clamp(z + out.zero_point, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node]:
        yield from binary_cases(rng, cls(), WHOLE, least=1e-4)


def _reals(node: Node) -> tuple[float, float, float]:
    """Real multipliers of x, of y, and of the square of their difference, at which the larger
    scale counts 1/2."""
    x, y, out = (v.type.scale for v in (*node.inputs, node.output))
    twice = 2 * max(x, y)
    return x / twice, y / twice, twice * twice / ((1 << 2 * LEFT_SHIFT) * out)


def _bind_s8(node: Node) -> Binding:
    params = {"caption": caption(node, "(squared difference)"), **output_params(node)}
    for name, real in zip(("left", "right", "square"), _reals(node), strict=True):
        multiplier, shift = quantize_multiplier(real)
        params[name] = {"multiplier": multiplier, "shift": shift}
    for name, value in zip(("left", "right"), node.inputs, strict=True):
        params[name]["offset"] = -value.type.zero_point
    return bind_binary(node, params)


def _bind(node: Node) -> Binding:
    return bind_binary(node, {"caption": caption(node, "(squared difference)")}, support=())


SquaredDifference.kernels = (
    binary_kernel("squared_difference_s8", DType.I8, _bind_s8),
    binary_kernel("squared_difference_f32", DType.F32, _bind),
    binary_kernel("squared_difference_i32", DType.I32, _bind),
)
