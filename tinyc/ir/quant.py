"""Fixed-point requantization, as TFLite's reference kernels do it, for numpy.

The C side is ``firmware/kernels/tinyc_requant.h``; both are exact to the bit. Sources:
tensorflow/lite/kernels/internal/{common.h,quantization_util.cc} and gemmlowp's fixedpoint.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from . import Array, DType, Quant, TensorType

Numbers = Array | np.integer[Any] | int
"""An array of integers, or one for all."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """``real`` >= 0 as (multiplier, shift): real ~ multiplier * 2**(shift - 31).

    The multiplier is 0 or lies in [2**30, 2**31); the shift is in [-31, 30]
    (QuantizeMultiplier).
    """
    if real == 0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    # TfLiteRound is std::round: halves go away from zero.
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return multiplier, shift


@cache
def exact_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with which `multiply_single_rounding` gives round(x * real), the product
    in double and halves away from zero, for every int32 x, as far as results are in -255..255.

    `quantize_multiplier` gives almost that, but for halves below zero, which quotients of powers
    of two meet often. Each result k is reached by x from some ``least`` on, and so bounds the
    multiplier from both sides; of what they all leave the nearest is taken. They leave
    nothing, and some halves are off by one, where double rounds a ratio of short numbers that is no
    power of two (7/40); none of 4,000 random ratios from 1e-4 to 0.9 did so.
    """
    multiplier, shift = quantize_multiplier(real)
    if multiplier == 0 or shift > 30:
        return multiplier, shift
    half = 1 << (30 - shift)
    low, high = 1, (1 << 31) - 1
    for k in range(1, 256):
        least = max(math.ceil((k - 0.5) / real) - 1, 1)
        while math.floor(least * real + 0.5) < k:
            least += 1
        if least >= 1 << 31:
            break
        edge = (2 * k - 1) * half  # of what is rounded to k
        low = max(low, edge // least + 1)
        if least > 1:
            high = min(high, -(-edge // (least - 1)) - 1)
    return (min(max(multiplier, low), high), shift) if low <= high else (multiplier, shift)


def quantize_multipliers(
    reals: Sequence[float], quantize: Callable[[float], tuple[int, int]] = quantize_multiplier
) -> tuple[Array, Array]:
    """``quantize`` of each: two int32 arrays (multipliers, shifts)."""
    pairs = [quantize(r) for r in reals]
    return (
        np.array([m for m, _ in pairs], np.int32),
        np.array([s for _, s in pairs], np.int32),
    )


def _wrap32(x: Array) -> Array:
    """Keep the low 32 bits, sign-extended to int64 (what C's int32 arithmetic leaves)."""
    return x.astype(np.int64).astype(np.int32).astype(np.int64)


def saturating_doubling_high_mul(a: Numbers, b: Numbers) -> Array:
    """round(a * b / 2**31), halves upwards, of int32 operands held as int64.

    gemmlowp adds 2**30, or 1 - 2**30 to a negative product, and divides towards zero, which is
    the same.
    """
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    high = (a * b + (1 << 30)) >> 31
    overflow = (a == b) & (a == -(1 << 31))
    return np.where(overflow, (1 << 31) - 1, high)


def rounding_divide_by_pot(x: Numbers, exponent: Numbers) -> Array:
    """round(x / 2**exponent), halves away from zero; int64 in and out."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + ((x & mask) > threshold))


def multiply_double_rounding(x: Numbers, multiplier: Numbers, shift: Numbers) -> Array:
    """MultiplyByQuantizedMultiplier of the reference kernels: int32 ``x`` times the real number
    of (multiplier, shift), the high product rounded, then the shift rounded. int64 out."""
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = _wrap32(np.asarray(x, np.int64) << left)
    high = saturating_doubling_high_mul(shifted, np.asarray(multiplier, np.int64))
    return rounding_divide_by_pot(high, right)


def multiply_single_rounding(x: Numbers, multiplier: Numbers, shift: Numbers) -> Array:
    """The same product rounded once, halves upwards:
    (x * multiplier + 2**(30 - shift)) >> (31 - shift). int64 out."""
    x, multiplier = np.asarray(x, np.int64), np.asarray(multiplier, np.int64)
    total = 31 - np.asarray(shift, np.int64)
    return np.asarray((x * multiplier + (np.int64(1) << (total - 1))) >> total)


def multiply_reduced(x: Numbers, multiplier: Numbers, shift: Numbers) -> Array:
    """The same of an int64 sum, |x| < 2**46, with the multiplier's upper 16 bits alone: what
    MultiplyByQuantizedMultiplier makes of 64-bit sums. int64 out, which holds an int32."""
    reduced, right = reduced_multipliers(multiplier, shift)
    x = np.asarray(x, np.int64)
    return _wrap32((x * reduced + (np.int64(1) << (right - 1))) >> right)


def reduced_multipliers(multiplier: Numbers, shift: Numbers) -> tuple[Array, Array]:
    """(16-bit multiplier, right shift) of `multiply_reduced`."""
    upper = np.minimum((np.asarray(multiplier, np.int64) + (1 << 15)) >> 16, (1 << 15) - 1)
    return upper, 15 - np.asarray(shift, np.int64)


def multiply_real(x: Array, real: Array | float) -> Array:
    """x times ``real`` in float64, halves away from zero, as LiteRT's dense layers do it;
    2**20 at most. int64 in and out."""
    y = np.clip(x.astype(np.float64) * real, -(2.0**20), 2.0**20)
    whole = np.trunc(y)
    away: Array = whole + np.where(np.abs(y - whole) >= 0.5, np.sign(y), 0)
    return away.astype(np.int64)


def multiply_float(x: Array, scale: Array | np.float32) -> Array:
    """int32 ``x``, as float32, times a float32 ``scale``, halves to even: how ONNX Runtime brings
    sums to the scale of their output (MlasRequantizeOutput); 2**20 at most. int64 out."""
    y = x.astype(np.int32).astype(np.float32) * scale
    return np.rint(np.clip(y, -(2.0**20), 2.0**20)).astype(np.int64)


def f32(x: float) -> np.float32:
    return np.float32(x)


def activation_range(activation: str, out: TensorType) -> tuple[int, int]:
    """(least, greatest) quantized output of a fused activation
    (CalculateActivationRangeQuantized)."""
    low, high = out.dtype.limits
    if activation == "none":
        return low, high

    def quantize(real: float) -> int:
        ratio = f32(real) / f32(out.scale)  # float32 division, then round half away from zero
        return out.zero_point + int(math.copysign(math.floor(abs(float(ratio)) + 0.5), ratio))

    lower, upper = {"relu": (0.0, None), "relu6": (0.0, 6.0), "relu_n1_to_1": (-1.0, 1.0)}[
        activation
    ]
    low = max(low, quantize(lower))
    if upper is not None:
        high = min(high, quantize(upper))
    return low, high


def float_activation_range(activation: str) -> tuple[float, float]:
    """(least, greatest) float output of a fused activation: no more than float32's greatest
    number, even where there is none (GetActivationMinMax, CalculateActivationRange)."""
    big = float(np.finfo(np.float32).max)
    return {
        "none": (-big, big),
        "relu": (0.0, big),
        "relu6": (0.0, 6.0),
        "relu_n1_to_1": (-1.0, 1.0),
    }[activation]


def rounded(real: Array, quant: Quant) -> Array:
    """Real numbers as int8 of a quantization, halves to even."""
    whole = np.round(np.asarray(real, np.float64) / quant.scale[0]) + quant.zero_point[0]
    return np.asarray(np.clip(whole, -128, 127).astype(np.int8))


def clamp(x: Array, low: int, high: int, dtype: DType) -> Array:
    """Saturate to [low, high] and narrow."""
    return np.clip(x, low, high).astype(dtype.numpy)


def dequantize(x: Array, type: TensorType) -> Array:
    """Numbers of ``type`` as float32: scale * (x - zero_point), or as they are."""
    if type.quant is None:
        return x.astype(np.float32)
    return (x.astype(np.float32) - np.float32(type.zero_point)) * np.float32(type.scale)
