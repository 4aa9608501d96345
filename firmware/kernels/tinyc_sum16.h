/* Sums of int16 inputs times int8 weights, and their last steps. A channel's table begins with the
 * low and the high word of its bias, unless told otherwise. See tinyc/ops/_int16.py. */
#ifndef TINYC_SUM16_H
#define TINYC_SUM16_H

#include "tinyc_requant.h"

/* acc + sum of x[i] * w[i], where no such sum leaves 32 bits. */
TINYC_INLINE int32_t tinyc_dot_s16(int32_t acc, const int16_t *x, const int8_t *w, int32_t count)
{
    for (; count >= 4; count -= 4, x += 4, w += 4) {
        acc += x[0] * w[0];
        acc += x[1] * w[1];
        acc += x[2] * w[2];
        acc += x[3] * w[3];
    }
    for (; count > 0; count--) {
        acc += *x++ * *w++;
    }
    return acc;
}

/* The same in 64 bits; up to 64 products fit 32. */
TINYC_INLINE int64_t tinyc_dot_s16_wide(int64_t acc, const int16_t *x, const int8_t *w,
                                        int32_t count)
{
    for (; count > 64; count -= 64, x += 64, w += 64) {
        acc += tinyc_dot_s16(0, x, w, 64);
    }
    return acc + tinyc_dot_s16(0, x, w, count);
}

/* Sums of four channels, as tinyc_tile4.h has them of int8 inputs; returns the next four channels'
 * weights. */
TINYC_SHARED static const int8_t *tinyc_tile4_s16(int32_t *acc, const int16_t *x,
                                                  const int8_t *weights, int32_t depth)
{
    const int16_t *const end = x + depth;
    int32_t a0 = 0;
    int32_t a1 = 0;
    int32_t a2 = 0;
    int32_t a3 = 0;

    do {
        const int32_t v = *x++;
        a0 += v * weights[0];
        a1 += v * weights[1];
        a2 += v * weights[2];
        a3 += v * weights[3];
        weights += 4;
    } while (x != end);
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
    return weights;
}

TINYC_INLINE int64_t tinyc_biased16(int64_t acc, const int32_t *channel)
{
    return acc + (int64_t)((uint64_t)(uint32_t)channel[1] << 32 | (uint32_t)channel[0]);
}

/* What 32 bits keep of a sum. */
TINYC_INLINE int32_t tinyc_wrap16(int64_t acc)
{
    return (int32_t)(uint32_t)(uint64_t)acc;
}

/* channel: bias, 16-bit multiplier, right shift. */
TINYC_INLINE int32_t tinyc_reduced16(int64_t acc, const int32_t *channel)
{
    const int32_t right = channel[3];
    acc = tinyc_biased16(acc, channel) * channel[2] + ((int64_t)1 << (right - 1));
    return (int32_t)(acc >> right);
}

/* The same of sums that fit 32 bits with their bias, where the rounding lies within the high word.
 * channel: bias, in one word, multiplier shifted up by 16, right shift less 16. */
TINYC_INLINE int32_t tinyc_high16(int32_t acc, const int32_t *channel)
{
    const int32_t high = (int32_t)(((int64_t)(acc + channel[0]) * channel[1]) >> 32);
    return (high + ((int32_t)1 << (channel[2] - 1))) >> channel[2];
}

/* channel: bias, multiplier, shift as of tinyc_requant2. */
TINYC_INLINE int32_t tinyc_wrapped16(int64_t acc, const int32_t *channel)
{
    return tinyc_requant2(tinyc_wrap16(tinyc_biased16(acc, channel)), channel[2], channel[3]);
}

/* |acc| < 2^35 times a float64, rounded to a float64, then to an integer, halves away from zero;
 * beyond 2^16, that. channel: bias, which is in the sum, low and high word of the 53 bits of the
 * multiplier, right shift after a product with the first 29 of them. */
static TINYC_SHARED int32_t tinyc_real16(int64_t acc, const int32_t *channel)
{
    const uint32_t low = (uint32_t)channel[2];
    const uint32_t high = (uint32_t)channel[3];
    const int32_t shift = channel[4];
    const uint64_t size = acc < 0 ? 0U - (uint64_t)acc : (uint64_t)acc;
    if (size >> (shift - 11) != 0) {
        return acc < 0 ? -65536 : 65536;
    }
    const uint64_t product = size * (high << 8 | low >> 24);
    const uint64_t half = (uint64_t)1 << (shift - 1);
    const uint64_t rest = product & (2U * half - 1U);
    uint64_t y = product >> shift;
    if (rest >= half) {
        y++;
    } else if (rest + 2U * size >= half) {
        /* The 24 bits that are left out decide. The distance to the half fits 64 bits, so that
         * what overflows in its terms does not matter. */
        const uint64_t tie = shift < 41 ? (2U * y + 1U) << (shift + 23) : 0U;
        const int64_t missing = (int64_t)(tie - size * ((uint64_t)high << 32 | low));
        /* The half of the last place that a float64 of this size has. */
        uint64_t place = product >> 29;
        while ((place & (place - 1U)) != 0) {
            place &= place - 1U;
        }
        if (missing <= (int64_t)place) {
            y++;
        }
    }
    return acc < 0 ? -(int32_t)y : (int32_t)y;
}

TINYC_INLINE int32_t tinyc_dense16(int64_t acc, const int32_t *channel)
{
    return tinyc_real16(tinyc_biased16(acc, channel), channel);
}

/* The same of a sum that wraps around in 32 bits. */
TINYC_INLINE int32_t tinyc_dense_wrapped16(int64_t acc, const int32_t *channel)
{
    return tinyc_real16(tinyc_wrap16(tinyc_biased16(acc, channel)), channel);
}

#endif
