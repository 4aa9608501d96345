"""exp, 1 / (1 + x) and 1 / sqrt(x) in 32-bit fixed point, as TFLite's int8 kernels compute them
with gemmlowp (fixedpoint/fixedpoint.h).

A fixed-point number with ``bits`` integer bits is raw / 2**(31 - bits). Raw values are int64
arrays that hold int32 values.
"""

from __future__ import annotations

import numpy as np

from ..quant import rounding_divide_by_pot, saturating_doubling_high_mul

INT32_MAX = (1 << 31) - 1
# exp(-2**k) for k = -2 .. 4 as raw values with 0 integer bits.
_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_EIGHTH = 1895147668  # exp(-1/8), 0 integer bits
_THIRD = 715827883  # 1/3, 0 integer bits
_SQRT_HALF = 1518500250  # 1 / sqrt(2), 0 integer bits
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


def reciprocal(x: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """1 / x for x >= 1 with ``bits`` integer bits, as (scale with 0 integer bits in [1/2, 1],
    right shift) (GetReciprocal)."""
    x = np.asarray(x, np.int64)
    zeros = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    return one_over_one_plus((x << zeros) - (1 << 31)), bits - zeros


def inverse_sqrt(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(x) for whole x from 1 on, as (multiplier with 0 integer bits, right shift): five
    Newton-Raphson steps from 1 (GetInvSqrtQuantizedMultiplierExp of internal/common.h)."""
    x = np.asarray(x, np.int64)
    rest, shift = x.copy(), np.full(x.shape, 11, np.int64)
    while np.any(rest >= 1 << 29):
        shift, rest = shift + (rest >= 1 << 29), np.where(rest >= 1 << 29, rest // 4, rest)
    pairs = (31 - np.frexp(rest.astype(np.float64))[1].astype(np.int64)) // 2 - 1
    shift = shift - pairs
    half = rounding_divide_by_pot((rest << (2 * pairs)) >> 1, 1)
    y = np.full(x.shape, 1 << 28, np.int64)  # 1, with 3 integer bits
    for _ in range(5):
        cube = _shift_left(_mul(_mul(y, y), y), 6)
        y = _shift_left(_mul(np.int64(3 << 27), y) - _mul(half, cube), 3)
    multiplier = _mul(y, np.int64(_SQRT_HALF)) << np.maximum(-shift, 0)
    one = x <= 1
    return np.where(one, INT32_MAX, multiplier), np.where(one, 0, np.maximum(shift, 0))
