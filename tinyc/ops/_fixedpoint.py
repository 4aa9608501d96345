"""exp, 1 / (1 + x), logistic and tanh in 32-bit fixed point, as TFLite's int8 reference kernels
compute them with gemmlowp (fixedpoint/fixedpoint.h).

A fixed-point number with ``bits`` integer bits is raw / 2**(31 - bits). Raw values are int64
arrays that hold int32 values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..ir import TensorType
from ..quant import (
    multiply_double_rounding,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_doubling_high_mul,
)

INT32_MAX = (1 << 31) - 1
# exp(-2**k) for k = -2 .. 4 as raw values with 0 integer bits.
_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_EIGHTH = 1895147668  # exp(-1/8), 0 integer bits
_THIRD = 715827883  # 1/3, 0 integer bits
_48_OVER_17, _NEG_32_OVER_17 = 1515870810, -1010580540  # 2 integer bits

_mul = saturating_doubling_high_mul


def _shift_left(x: np.ndarray, amount: int) -> np.ndarray:
    """x * 2**amount, saturated to int32."""
    return np.clip(x << amount, -(1 << 31), INT32_MAX)


def exp_of_negative(x: np.ndarray, bits: int) -> np.ndarray:
    """exp(x) with 0 integer bits for x <= 0 with ``bits`` of them (exp_on_negative_values)."""
    x = np.asarray(x, np.int64)
    fraction = 31 - bits
    quarter = 1 << (fraction - 2)
    last = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    result = _exp_near_zero(_shift_left(last, bits))
    rest = last - x
    for exponent, factor in enumerate(_EXP_OF_POWERS, -2):
        if bits > exponent:
            taken = (rest & (1 << (fraction + exponent))) != 0
            result = np.where(taken, _mul(result, np.int64(factor)), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_near_zero(x: np.ndarray) -> np.ndarray:
    """exp on [-1/4, 0): the Taylor series around -1/8, to the fourth power."""
    d = x + (1 << 28)
    d2 = _mul(d, d)
    d3, d4 = _mul(d2, d), _mul(d2, d2)
    tail = _mul(rounding_divide_by_pot(d4, 2) + d3, np.int64(_THIRD)) + d2
    return _EXP_OF_EIGHTH + _mul(np.int64(_EXP_OF_EIGHTH), d + rounding_divide_by_pot(tail, 1))


def _newton(x: np.ndarray) -> np.ndarray:
    """2 / (1 + x) with 2 integer bits for x in [0, 1]: three Newton-Raphson steps."""
    half = (np.asarray(x, np.int64) + INT32_MAX + 1) // 2
    y = _48_OVER_17 + _mul(half, np.int64(_NEG_32_OVER_17))
    for _ in range(3):
        y = y + _shift_left(_mul(y, (1 << 29) - _mul(half, y)), 2)
    return y


def one_over_one_plus(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) for x in [0, 1], 0 integer bits (one_over_one_plus_x_for_x_in_0_1)."""
    return _shift_left(_newton(x), 1)


def one_minus_over_one_plus(x: np.ndarray) -> np.ndarray:
    """(1 - x) / (1 + x) for x in [0, 1], 0 integer bits."""
    return _shift_left(_newton(x) - (1 << 29), 2)


def reciprocal(x: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """1 / x for x >= 1 with ``bits`` integer bits, as (scale with 0 integer bits in [1/2, 1],
    right shift) (GetReciprocal)."""
    x = np.asarray(x, np.int64)
    zeros = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    return one_over_one_plus((x << zeros) - (1 << 31)), bits - zeros


def logistic(x: np.ndarray, bits: int) -> np.ndarray:
    """1 / (1 + exp(-x)), 0 integer bits, for x with ``bits`` of them."""
    x = np.asarray(x, np.int64)
    positive = one_over_one_plus(exp_of_negative(-np.abs(x), bits))
    y = np.where(x < 0, INT32_MAX - positive, positive)
    return np.where(x == 0, 1 << 30, y)


def tanh(x: np.ndarray, bits: int) -> np.ndarray:
    """tanh(x), 0 integer bits, for x with ``bits`` of them."""
    x = np.asarray(x, np.int64)
    # The raw value with one more integer bit stands for 2 x.
    size = one_minus_over_one_plus(exp_of_negative(-np.abs(x), bits + 1))
    return np.where(x == 0, 0, np.where(x < 0, -size, size))


def saturating_curve(
    curve: Callable[[np.ndarray, int], np.ndarray],
    x: np.ndarray,
    source: TensorType,
    output_bits: int,
    zero_point: int,
) -> np.ndarray:
    """`logistic` or `tanh` of int8 ``x``, of type ``source``, as int8 with the scale
    2**-output_bits; beyond 15, where the curve is flat, the extremes of int8
    (reference_integer_ops/{logistic,tanh}.h, and CalculateInputRadius)."""
    bits = 4
    real = source.scale * (1 << (31 - bits))
    shift = math.frexp(real)[1]
    radius = math.floor(((1 << bits) - 1) * (1 << (31 - bits)) / 2.0**shift)
    centred = x.astype(np.int64) - source.zero_point
    inside = np.clip(centred, -radius, radius)
    raw = curve(multiply_double_rounding(inside, *quantize_multiplier(real)), bits)
    y = np.clip(rounding_divide_by_pot(raw, 31 - output_bits) + zero_point, -128, 127)
    y = np.where(centred <= -radius, -128, np.where(centred >= radius, 127, y))
    return y.astype(np.int8)
