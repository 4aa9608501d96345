"""HARD_SWISH: x * min(max(x + 3, 0), 6) / 6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np

from ..ir import Array, DType, Node, Op
from ..ir.quant import clamp, quantize_multiplier, rounding_divide_by_pot
from ._unary import check_unary, unary_cases
from .base import fail, register

INT16_MIN, INT16_MAX = -(1 << 15), (1 << 15) - 1


@register
@dataclass(frozen=True)
class HardSwish(Op):
    """Input and output of one shape, int8 or float32."""

    elementwise = True

    def check(self, node: Node[Self]) -> None:
        check_unary(node)
        if node.output.type.dtype is not DType.I8:
            return
        x, out = (v.type.scale for v in (node.inputs[0], node.output))
        (multiplier, shift), (_, ramp_shift) = _multipliers(node)
        if not multiplier or not (-15 <= shift <= 0 and -15 <= ramp_shift <= 16):
            raise fail(
                node, f"its input has the scale {x:.6g} and its output {out:.6g}, which 16 bits do "
                "not bring together", "quantize the model again, with data like the real one",
                "E304",
            )  # fmt: skip

    def evaluate(self, node: Node[Self], *inputs: Array) -> tuple[Array, ...]:
        (x,) = inputs
        if x.dtype == np.float32:
            bounded = np.minimum(np.float32(6), np.maximum(np.float32(0), x + np.float32(3)))
            return (x * bounded / np.float32(6),)
        # HardSwish of reference/hard_swish.h, in int16 with 7 bits more than the input has
        (scale, shift), (ramp_scale, ramp_shift) = _multipliers(node)
        fine = (x.astype(np.int64) - node.inputs[0].type.zero_point) << 7
        ramp = fine
        if ramp_shift > 0:
            ramp = _saturate(ramp << (ramp_shift - 1))
        ramp = _rounding_high_mul(ramp, ramp_scale)
        if ramp_shift > 0:
            ramp = _saturate(ramp << 1)
        if ramp_shift < 0:
            ramp = rounding_divide_by_pot(ramp, -ramp_shift)
        ramp = (ramp + (1 << 15)) >> 1  # from [-1, 1] to [0, 1]
        product = ramp * _rounding_high_mul(fine, scale)
        y = np.where(product >= 0, product >> 15, -(-product >> 15))
        out = node.output.type
        y = rounding_divide_by_pot(_saturate(y), -shift) + out.zero_point
        return (clamp(y, *out.dtype.limits, out.dtype),)

    @classmethod
    def cases(cls, rng: np.random.Generator) -> Iterator[Node[Self]]:
        yield from unary_cases(rng, (cls(),))


def _multipliers(node: Node) -> tuple[tuple[int, int], tuple[int, int]]:
    """(int16 multiplier, shift) of the output's scale and of the ramp from -3 to 3, computed in
    float32 as in TFLite (HardSwishPrepare)."""
    fine = np.float32(node.inputs[0].type.scale) * np.float32(1 / 128)
    ramp = fine / np.float32(3 / 32768)
    pairs = (
        quantize_multiplier(float(r)) for r in (fine / np.float32(node.output.type.scale), ramp)
    )
    # DownScaleInt32ToInt16Multiplier
    first, second = ((min((m + (1 << 15)) >> 16, INT16_MAX), shift) for m, shift in pairs)
    return first, second


def _saturate(x: Array) -> Array:
    return np.clip(x, INT16_MIN, INT16_MAX)


def _rounding_high_mul(x: Array, multiplier: int) -> Array:
    """round(x * multiplier / 2**15), halves upwards, as gemmlowp's
    SaturatingRoundingDoublingHighMul of int16; multiplier >= 0."""
    return (x * multiplier + (1 << 14)) >> 15
