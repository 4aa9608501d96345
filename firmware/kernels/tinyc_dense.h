/* Fully connected layers of int8, four channels at a time.
 * weights: those of tinyc_tile4; table: bias of each channel, and two words by which its sum is
 * rescaled. */
#ifndef TINYC_DENSE_H
#define TINYC_DENSE_H

#include "tinyc_dot.h"
#include "tinyc_requant.h"
#include "tinyc_tile4.h"

/* The function `name` that rescales by `rescale`; weight_zero: the zero point of all weights. */
#define TINYC_DEFINE_DENSE(name, rescale)                                                          \
    TINYC_INLINE void name(const int8_t *in, int8_t *out, const int8_t *weights,                   \
                           const int32_t *table, int32_t batches, int32_t depth, int32_t channels, \
                           int32_t weight_zero, int32_t zero_point, int32_t low, int32_t high)     \
    {                                                                                              \
        for (int32_t b = 0; b < batches; b++, in += depth) {                                       \
            const int32_t excess = weight_zero != 0 ? tinyc_sum_s8(in, depth) * weight_zero : 0;   \
            const int8_t *next = weights;                                                          \
            const int32_t *channel = table;                                                        \
            for (int32_t left = channels; left > 0; left -= 4) {                                   \
                int32_t acc[4];                                                                    \
                next = tinyc_tile4(acc, in, next, depth);                                          \
                for (int32_t i = 0; i < (left < 4 ? left : 4); i++, channel += 3) {                \
                    const int32_t sum = tinyc_add_bias(acc[i] - excess, channel[0]);               \
                    const int32_t y = rescale(sum, channel[1], channel[2]);                        \
                    *out++ = (int8_t)tinyc_clamp_offset(y, zero_point, low, high);                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

TINYC_DEFINE_DENSE(tinyc_dense_s8, tinyc_requant1)

#endif
