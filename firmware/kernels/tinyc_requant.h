/* Fixed-point requantization, exact with TFLite's reference kernels (see tinyc/ir/quant.py). */
#ifndef TINYC_REQUANT_H
#define TINYC_REQUANT_H

#include "tinyc_base.h"

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* Cores without a long multiplication: a * b = upper * 2^32 + middle * 2^16 and 16 bits more. */
struct tinyc_product {
    int32_t upper, middle;
};

TINYC_INLINE struct tinyc_product tinyc_multiply_halves(int32_t a, int32_t b)
{
    const int32_t a_low = (int32_t)((uint32_t)a & 0xffffU);
    const int32_t b_low = (int32_t)((uint32_t)b & 0xffffU);
    const uint32_t low = (uint32_t)a_low * (uint32_t)b_low;
    const int32_t first = (a >> 16) * b_low + (int32_t)(low >> 16);
    const struct tinyc_product product = {
        (a >> 16) * (b >> 16) + (first >> 16),
        a_low * (b >> 16) + (first & 0xffff),
    };
    return product;
}

/* floor(a * b / 2^32) */
TINYC_INLINE int32_t tinyc_high_word(int32_t a, int32_t b)
{
    const struct tinyc_product product = tinyc_multiply_halves(a, b);
    return product.upper + (product.middle >> 16);
}

/* round(a * b / 2^31), halves upwards; not of two that are -2^31. */
TINYC_INLINE int32_t tinyc_high_product(int32_t a, int32_t b)
{
    const struct tinyc_product product = tinyc_multiply_halves(a, b);
    const int32_t middle = (product.middle + (1 << 14)) >> 15;
    return (int32_t)(((uint32_t)product.upper << 1) + (uint32_t)middle);
}

/* The same of two that are not negative. */
TINYC_INLINE uint32_t tinyc_high_positive(int32_t a, int32_t b)
{
    return (uint32_t)tinyc_high_product(a, b);
}

#else

TINYC_INLINE int32_t tinyc_high_word(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b) >> 32);
}

TINYC_INLINE int32_t tinyc_high_product(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

TINYC_INLINE uint32_t tinyc_high_positive(int32_t a, int32_t b)
{
    return (uint32_t)(((uint64_t)(2U * (uint32_t)a) * (uint32_t)b + (1U << 31)) >> 32);
}

#endif

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
    if (shift >= 0) {
        return tinyc_high_product((int32_t)((uint32_t)x << shift), multiplier);
    }
    const int32_t high = tinyc_high_product(x, multiplier);
    return (((high + (high >> 31)) >> (-1 - shift)) + 1) >> 1;
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
    if (shift > -2) {
        return tinyc_requant_wide(x, multiplier, 31 - shift);
    }
    /* The rounding lies within the high word. */
    return ((tinyc_high_word(x, multiplier) >> (-2 - shift)) + 1) >> 1;
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

/* Where an activation leaves less than int8 has: limit stored outputs. */
TINYC_INLINE void tinyc_limit_s8(int8_t *x, int32_t count, int32_t low, int32_t high)
{
    if (low == INT8_MIN && high == INT8_MAX) {
        return;
    }
    for (; count > 0; count--, x++) {
        *x = (int8_t)tinyc_clamp(*x, low, high);
    }
}

#endif
