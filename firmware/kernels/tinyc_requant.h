/* Fixed-point requantization, exact with TFLite's reference kernels (see tinyc/ir/quant.py). */
#ifndef TINYC_REQUANT_H
#define TINYC_REQUANT_H

#include "tinyc_base.h"

/* round(a * b / 2^31), halves upwards; not of two that are -2^31. */
TINYC_INLINE int32_t tinyc_high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* The same of any two, saturated. */
TINYC_INLINE int32_t tinyc_high_mul(int32_t a, int32_t b)
{
    return a == INT32_MIN && b == INT32_MIN ? INT32_MAX : tinyc_high_product(a, b);
}

/* round(x / 2^exponent), halves away from zero; 0 <= exponent <= 31. */
TINYC_INLINE int32_t tinyc_round_shift(int32_t x, int32_t exponent)
{
    const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1U);
    const int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (x < 0 ? 1 : 0);
    return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

/* x * multiplier * 2^(shift - 31), the high product rounded, then the shift; multiplier > -2^31. */
TINYC_INLINE int32_t tinyc_requant2(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t left = shift > 0 ? shift : 0;
    const int32_t right = shift > 0 ? 0 : -shift;
    const int32_t high = tinyc_high_product((int32_t)((uint32_t)x << left), multiplier);
    return tinyc_round_shift(high, right);
}

/* round(x / 2^right), halves away from zero; |x| < 2^30 and 1 <= right <= 31. */
TINYC_INLINE int32_t tinyc_round_right(int32_t x, int32_t right)
{
    return (x + (x >> 31) + (1 << (right - 1))) >> right;
}

/* tinyc_requant2 where x and x * 2^shift are under 2^30 and multiplier >= 0: no sum overflows. */
TINYC_INLINE int32_t tinyc_requant2_small(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift >= 0) {
        return tinyc_high_product(x * (1 << shift), multiplier);
    }
    const int32_t high = tinyc_high_product(x, multiplier);
    return tinyc_round_right(high, -shift);
}

/* x * multiplier / 2^right, rounded once, halves upwards; right >= 1. */
TINYC_INLINE int32_t tinyc_requant_wide(int64_t x, int32_t multiplier, int32_t right)
{
    return (int32_t)((x * multiplier + ((int64_t)1 << (right - 1))) >> right);
}

/* x * multiplier * 2^(shift - 31), rounded once. */
TINYC_INLINE int32_t tinyc_requant1(int32_t x, int32_t multiplier, int32_t shift)
{
    return tinyc_requant_wide(x, multiplier, 31 - shift);
}

/* total / count, halves away from zero; count > 0. */
TINYC_INLINE int32_t tinyc_mean(int32_t total, int32_t count)
{
    return (total > 0 ? total + count / 2 : total - count / 2) / count;
}

TINYC_INLINE int32_t tinyc_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : (x > high ? high : x);
}

/* x + zero_point, of low to high. Clamped before the sum, which a saturated x could overflow. */
TINYC_INLINE int32_t tinyc_clamp_offset(int32_t x, int32_t zero_point, int32_t low, int32_t high)
{
    return tinyc_clamp(x, low - zero_point, high - zero_point) + zero_point;
}

#endif
