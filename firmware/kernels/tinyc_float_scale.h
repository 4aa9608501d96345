/* Sums times a float32 scale, as ONNX Runtime's kernels bring them to the scale of their output: the
 * product is rounded to float32, and that to an integer, halves to even (see multiply_float of
 * tinyc/ir/quant.py). scale: the bits of a float32 from 0 to 128; right: 150 less its exponent, or
 * 70 if that is more, so that the scale is its upper 24 bits divided by 2^right. */
#ifndef TINYC_FLOAT_SCALE_H
#define TINYC_FLOAT_SCALE_H

#include "tinyc_base.h"

/* A product of which more cannot come to a number of eight bits. */
#define TINYC_FLOAT_REACH (1 << 14)

#if defined(__ARM_FP)

/* The integer next to x, halves to even, |x| < 2^22: what is added leaves no bit for a fraction. */
TINYC_INLINE int32_t tinyc_nearest_even(float x)
{
    const float sum = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits - 0x4b400000;
}

/* Where a product is known to stay under 2^22. */
TINYC_INLINE int32_t tinyc_scaled_small(int32_t sum, int32_t scale, int32_t right)
{
    float factor;
    memcpy(&factor, &scale, sizeof factor);
    (void)right;
    return tinyc_nearest_even((float)sum * factor);
}

TINYC_INLINE int32_t tinyc_scaled(int32_t sum, int32_t scale, int32_t right)
{
    const float reach = TINYC_FLOAT_REACH;
    float y;
    memcpy(&y, &scale, sizeof y);
    (void)right;
    y *= (float)sum;
    return tinyc_nearest_even(y < -reach ? -reach : (y > reach ? reach : y));
}

#else

/* x / 2^right, halves to even. */
TINYC_INLINE int64_t tinyc_shift_even(int64_t x, int32_t right)
{
    if (right == 0) {
        return x;
    }
    const int64_t half = (int64_t)1 << (right - 1);
    const int64_t down = x >> right;
    return (x + half - 1 + (down & 1)) >> right;
}

/* x in the 24 bits of a float32, halves to even. */
static TINYC_SHARED int64_t tinyc_round24(int64_t x)
{
    int32_t drop = 0;

    while ((x >> drop) >= 1 << 24 || (x >> drop) < -(1 << 24)) {
        drop++;
    }
    return tinyc_shift_even(x, drop) * ((int64_t)1 << drop);
}

/* The two roundings, one after the other. */
static TINYC_SHARED int32_t tinyc_scaled_twice(int32_t sum, int32_t factor, int32_t right)
{
    const int64_t product = tinyc_round24(tinyc_round24(sum) * factor);
    return (int32_t)tinyc_shift_even(product, right);
}

/* The exact product rounded once, unless it lies where that makes a difference: under 256, where
 * float32 has 16 bits of fraction or more, rounding a sum and then its product moves it by no more
 * than the last of them. */
TINYC_INLINE int32_t tinyc_scaled(int32_t sum, int32_t scale, int32_t right)
{
    const int32_t factor = (scale & 0x7fffff) | 0x800000;
    const int64_t product = ((int64_t)sum * factor) >> (right - 16);
    if (product >= (int64_t)TINYC_FLOAT_REACH << 16) {
        return TINYC_FLOAT_REACH;
    }
    if (product <= -((int64_t)TINYC_FLOAT_REACH << 16)) {
        return -TINYC_FLOAT_REACH;
    }
    const int32_t y = (int32_t)product + (1 << 15);
    return ((y + 3) & 0xffff) < 6 ? tinyc_scaled_twice(sum, factor, right) : y >> 16;
}

TINYC_INLINE int32_t tinyc_scaled_small(int32_t sum, int32_t scale, int32_t right)
{
    return tinyc_scaled(sum, scale, right);
}

#endif

#endif
