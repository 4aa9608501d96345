/* Four channels at a time on cores without SIMD: each input is loaded once for four products.
 * weights: for each four channels, for each input, one byte a channel. */
#ifndef TINYC_TILE4_H
#define TINYC_TILE4_H

#include "tinyc_base.h"

/* The function `name` for inputs of the type `element`:
 * acc[i] = sum of x[k] * w[i][k]; returns the next four channels' weights. */
#define TINYC_DEFINE_TILE4(name, element)                                                         \
    TINYC_SHARED static const int8_t *name(int32_t *acc, const element *x, const int8_t *weights, \
                                           int32_t depth)                                         \
    {                                                                                             \
        const element *const end = x + depth;                                                     \
        int32_t a0 = 0;                                                                           \
        int32_t a1 = 0;                                                                           \
        int32_t a2 = 0;                                                                           \
        int32_t a3 = 0;                                                                           \
                                                                                                  \
        do {                                                                                      \
            const int32_t v = *x++;                                                               \
            a0 += v * weights[0];                                                                 \
            a1 += v * weights[1];                                                                 \
            a2 += v * weights[2];                                                                 \
            a3 += v * weights[3];                                                                 \
            weights += 4;                                                                         \
        } while (x != end);                                                                       \
        acc[0] = a0;                                                                              \
        acc[1] = a1;                                                                              \
        acc[2] = a2;                                                                              \
        acc[3] = a3;                                                                              \
        return weights;                                                                           \
    }

TINYC_DEFINE_TILE4(tinyc_tile4, int8_t)

/* Where 32 bits hold every sum. */
TINYC_DEFINE_TILE4(tinyc_tile4_s16, int16_t)

#endif
