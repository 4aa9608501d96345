"""exp, 1 / (1 + x), 1 / sqrt(x), logistic and tanh in fixed point, as TFLite's int8 kernels and
its LSTM compute them with gemmlowp (fixedpoint/fixedpoint.h).

A fixed-point number of ``word`` bits, 32 or 16, of which ``bits`` are integer bits, is
raw / 2**(word - 1 - bits). Raw values are int64 arrays that hold numbers of that many bits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..ir import Array
from ..ir.quant import Numbers, rounding_divide_by_pot, saturating_doubling_high_mul

INT32_MAX = (1 << 31) - 1
# exp(-2**k) for k = -2 .. 4 as raw values of 32 bits with 0 integer bits.
_EXP_OF_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_OF_EIGHTH = 1895147668  # exp(-1/8), 0 integer bits
_THIRD = 715827883  # 1/3, 0 integer bits
_SQRT_HALF = 1518500250  # 1 / sqrt(2), 0 integer bits
_48_OVER_17, _NEG_32_OVER_17 = 1515870810, -1010580540  # 2 integer bits


def _constant(raw: int, word: int) -> np.int64:
    """A constant of 32 bits as one of ``word``."""
    return np.int64(rounding_divide_by_pot(np.int64(raw), 32 - word))


def _mul(a: Numbers, b: Numbers, word: int) -> Array:
    """round(a * b / 2**(word - 1)), halves upwards; no two operands of 16 bits are the least."""
    if word == 32:
        return saturating_doubling_high_mul(a, b)
    return np.asarray((a * b + (1 << 14)) >> 15)


def _shift_left(x: Array, amount: int, word: int) -> Array:
    """x * 2**amount, saturated to ``word`` bits."""
    return np.clip(x << amount, -(1 << (word - 1)), (1 << (word - 1)) - 1)


def exp_of_negative(x: Array, bits: int, word: int = 32) -> Array:
    """exp(x) with 0 integer bits for x <= 0 with ``bits`` of them (exp_on_negative_values)."""
    x = np.asarray(x, np.int64)
    fraction = word - 1 - bits
    quarter = 1 << (fraction - 2)
    last = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    result = _exp_near_zero(_shift_left(last, bits, word), word)
    rest = last - x
    for exponent, factor in enumerate(_EXP_OF_POWERS, -2):
        if bits > exponent:
            taken = (rest & (1 << (fraction + exponent))) != 0
            result = np.where(taken, _mul(result, _constant(factor, word), word), result)
    if bits > 5:
        result = np.where(x < -(1 << (fraction + 5)), 0, result)
    return np.where(x == 0, (1 << (word - 1)) - 1, result)


def _exp_near_zero(x: Array, word: int) -> Array:
    """exp on [-1/4, 0): the Taylor series around -1/8, to the fourth power."""
    d = x + (1 << (word - 4))
    d2 = _mul(d, d, word)
    d3, d4 = _mul(d2, d, word), _mul(d2, d2, word)
    tail = _mul(rounding_divide_by_pot(d4, 2) + d3, _constant(_THIRD, word), word) + d2
    start = _constant(_EXP_OF_EIGHTH, word)
    return start + _mul(start, d + rounding_divide_by_pot(tail, 1), word)


def _newton(x: Array, word: int) -> Array:
    """2 / (1 + x) with 2 integer bits for x in [0, 1]: three Newton-Raphson steps."""
    half = (np.asarray(x, np.int64) + (1 << (word - 1))) // 2
    y = _constant(_48_OVER_17, word) + _mul(half, _constant(_NEG_32_OVER_17, word), word)
    for _ in range(3):
        error = (1 << (word - 3)) - _mul(half, y, word)
        y = y + _shift_left(_mul(y, error, word), 2, word)
    return y


def one_over_one_plus(x: Array, word: int = 32) -> Array:
    """1 / (1 + x) for x in [0, 1], 0 integer bits (one_over_one_plus_x_for_x_in_0_1)."""
    return _shift_left(_newton(x, word), 1, word)


def reciprocal(x: Array, bits: int) -> tuple[Array, Array]:
    """1 / x for x >= 1 with ``bits`` integer bits, as (scale with 0 integer bits in [1/2, 1],
    right shift) (GetReciprocal)."""
    x = np.asarray(x, np.int64)
    zeros = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    return one_over_one_plus((x << zeros) - (1 << 31)), bits - zeros


def inverse_sqrt(x: Array) -> tuple[Array, Array]:
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
        cube = _shift_left(_mul(_mul(y, y, 32), y, 32), 6, 32)
        y = _shift_left(_mul(np.int64(3 << 27), y, 32) - _mul(half, cube, 32), 3, 32)
    multiplier = _mul(y, np.int64(_SQRT_HALF), 32) << np.maximum(-shift, 0)
    one = x <= 1
    return np.where(one, INT32_MAX, multiplier), np.where(one, 0, np.maximum(shift, 0))


# 16 bits ----------------------------------------------------------------------------------


def logistic16(x: Array) -> Array:
    """1 / (1 + exp(-x)) with 0 integer bits of int16 with 3 of them (ApplySigmoid)."""
    return np.asarray(_logistic_table()[np.asarray(x, np.int64) & 0xFFFF])


def tanh16(x: Array, bits: int) -> Array:
    """tanh(x) with 0 integer bits of int16 with ``bits`` of them, 0 to 6 (ApplyTanh)."""
    return np.asarray(_tanh_table(bits)[np.asarray(x, np.int64) & 0xFFFF])


def _words() -> Array:
    """Every int16, in the order of the unsigned words."""
    return np.arange(1 << 16).astype(np.uint16).astype(np.int16).astype(np.int64)


@lru_cache
def _logistic_table() -> Array:
    x = _words()
    y = one_over_one_plus(exp_of_negative(-np.abs(x), 3, 16), 16)
    return np.where(x == 0, 1 << 14, np.where(x > 0, y, (1 << 15) - 1 - y))


@lru_cache
def _tanh_table(bits: int) -> Array:
    x = _words()
    power = exp_of_negative(-np.abs(x), bits + 1, 16)
    # (1 - power) / (1 + power) (one_minus_x_over_one_plus_x_for_x_in_0_1)
    y = _shift_left(_newton(power, 16) - (1 << 13), 2, 16)
    return np.where(x == 0, 0, np.where(x < 0, -y, y))
