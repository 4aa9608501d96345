/* Sums times a float32 scale, as ONNX Runtime's kernels bring them to the scale of their output:
 * the product is rounded to float32, and that to an integer, halves to even (see multiply_float of
 * tinyc/ir/quant.py). scale: the bits of a float32 from 0 to 128; right: 150 less its exponent, or
 * 70 if that is more, so that the scale is its upper 24 bits divided by 2^right. */
#ifndef TINYC_FLOAT_SCALE_H
#define TINYC_FLOAT_SCALE_H

#include "tinyc_base.h"
#include "tinyc_nearest_even.h"
#include "tinyc_requant.h"

TINYC_INLINE int32_t tinyc_factor(int32_t scale)
{
    return (scale & 0x7fffff) | 0x800000;
}

/* floor(2^16 * sum * scale); what becomes 512 or more is not told apart. */
TINYC_INLINE int32_t tinyc_scaled_fixed(int32_t sum, int32_t scale, int32_t right)
{
    const int32_t factor = tinyc_factor(scale) << 7;
    if (right > 41) {
        return tinyc_high_word(sum, factor) >> (right - 41);
    }
    const int32_t most = 1 << (right - 14);
    return tinyc_high_word(tinyc_clamp(sum, -most, most) * (1 << (41 - right)), factor);
}

#if defined(__ARM_FP)

/* Where a product is known to stay under 2^22. */
TINYC_INLINE int32_t tinyc_scaled_small(int32_t sum, int32_t scale, int32_t right)
{
    float factor;
    memcpy(&factor, &scale, sizeof factor);
    (void)right;
    return tinyc_nearest_even((float)sum * factor);
}

/* With a zero point, which is added before the last rounding. */
TINYC_INLINE int32_t tinyc_scaled_to(int32_t sum, int32_t scale, int32_t right, int32_t zero)
{
    const float reach = 1024.0f; /* more than any number of eight bits */
    float y;
    memcpy(&y, &scale, sizeof y);
    (void)right;
    y = (float)sum * y;
    y = zero == 0 ? y : y + (float)zero;
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

/* One rounding after the other; zero: nothing where `right` is over 50. */
static TINYC_SHARED int32_t tinyc_scaled_exactly(int32_t sum, int32_t factor, int32_t right,
                                                 int32_t zero)
{
    int64_t y = tinyc_round24(tinyc_round24(sum) * factor);
    if (zero != 0) {
        y = tinyc_round24(y + zero * ((int64_t)1 << right));
    }
    return (int32_t)tinyc_shift_even(y, right);
}

/* With a zero point, which is added before the last rounding. The product, with 16 bits of
 * fraction, is rounded once, unless it lies where that makes a difference: under 256, where float32
 * has as many or more, no rounding moves it by more than half of the last of them. */
TINYC_INLINE int32_t tinyc_scaled_to(int32_t sum, int32_t scale, int32_t right, int32_t zero)
{
    const int32_t y = tinyc_scaled_fixed(sum, scale, right) + (1 << 15);
    if (((y + 3) & 0xffff) < 6) {
        return tinyc_scaled_exactly(sum, tinyc_factor(scale), right, zero);
    }
    return (y >> 16) + zero;
}

TINYC_INLINE int32_t tinyc_scaled_small(int32_t sum, int32_t scale, int32_t right)
{
    return tinyc_scaled_to(sum, scale, right, 0);
}

#endif

TINYC_INLINE int32_t tinyc_scaled(int32_t sum, int32_t scale, int32_t right)
{
    return tinyc_scaled_to(sum, scale, right, 0);
}

#endif
