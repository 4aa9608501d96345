/* Fully connected layers of int16 inputs and int8 weights.
 * table: of each channel the low and the high word of its bias, then the multiplier and shift of
 * tinyc_real16. See tinyc/ops/_int16.py. */
#ifndef TINYC_DENSE16_H
#define TINYC_DENSE16_H

#include "tinyc_dot.h"
#include "tinyc_sum16.h"
#include "tinyc_tile4.h"

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

/* The words of a channel in the table. */
enum { TINYC_DENSE16_WORDS = 5 };

/* An output; wraps: its sum with the bias does, in 32 bits. */
TINYC_INLINE int16_t tinyc_dense16(int64_t acc, const int32_t *channel, int wraps, int32_t low,
                                   int32_t high)
{
    const int64_t sum = tinyc_biased16(acc, channel);
    const int32_t y = tinyc_real16(wraps ? tinyc_wrap16(sum) : sum, channel);
    return (int16_t)tinyc_clamp(y, low, high);
}

/* Where 32 bits hold every sum; weights: those of tinyc_tile4_s16. */
TINYC_INLINE void tinyc_dense_s16(const int16_t *in, int16_t *out, const int8_t *weights,
                                  const int32_t *table, int32_t batches, int32_t depth,
                                  int32_t channels, int wraps, int32_t low, int32_t high)
{
    for (int32_t b = 0; b < batches; b++, in += depth) {
        const int8_t *next = weights;
        const int32_t *channel = table;
        for (int32_t left = channels; left > 0; left -= 4) {
            int32_t acc[4];
            next = tinyc_tile4_s16(acc, in, next, depth);
            for (int32_t i = 0; i < (left < 4 ? left : 4); i++, channel += TINYC_DENSE16_WORDS) {
                *out++ = tinyc_dense16(acc[i], channel, wraps, low, high);
            }
        }
    }
}

/* With sums in 64 bits; weights: row by row. */
TINYC_INLINE void tinyc_dense_s16_wide(const int16_t *in, int16_t *out, const int8_t *weights,
                                       const int32_t *table, int32_t batches, int32_t depth,
                                       int32_t channels, int wraps, int32_t low, int32_t high)
{
    for (int32_t b = 0; b < batches; b++, in += depth) {
        const int8_t *row = weights;
        const int32_t *channel = table;
        for (int32_t o = 0; o < channels; o++, row += depth, channel += TINYC_DENSE16_WORDS) {
            const int64_t acc = tinyc_dot_wide(0, in, row, depth);
            *out++ = tinyc_dense16(acc, channel, wraps, low, high);
        }
    }
}

#endif
