/* Fully connected layers of int16 on cores with the DSP extension, four channels at a time.
 * weights: those of tinyc_gemm_4x1, for inputs 0, 2, 1 and 3 of each quad, so that SXTB16 leaves
 * what belongs to 0 and 1, and to 2 and 3. */
#ifndef TINYC_DENSE16_DSP_H
#define TINYC_DENSE16_DSP_H

#include "tinyc_dense16.h"
#include "tinyc_gemm_dsp.h"

/* The function `sums` of sums of the type `number`, as `gemm` adds them up: acc[i] = sum of x[k] *
 * w[i][k]; returns the next weights. And `dense` by that one. */
#define TINYC_DEFINE_DENSE_S16_DSP(dense, sums, number, gemm)                             \
    TINYC_INLINE const int8_t *sums(number *acc, const int16_t *x, const int8_t *weights, \
                                    int32_t depth)                                        \
    {                                                                                     \
        const int32_t quads = depth / 4;                                                  \
        const int32_t rest = depth % 4;                                                   \
                                                                                          \
        memset(acc, 0, 4 * sizeof *acc);                                                  \
        weights = gemm(weights, x, acc, quads);                                           \
        if (rest != 0) {                                                                  \
            int16_t tail[4] = {0, 0, 0, 0};                                               \
            memcpy(tail, x + 4 * quads, (size_t)rest * sizeof *tail);                     \
            weights = gemm(weights, tail, acc, 1);                                        \
        }                                                                                 \
        return weights;                                                                   \
    }                                                                                     \
                                                                                          \
    TINYC_INLINE void dense(const int16_t *in, int16_t *out, const int8_t *weights,       \
                            const int32_t *table, int32_t batches, int32_t depth,         \
                            int32_t channels, int wraps, int32_t low, int32_t high)       \
    {                                                                                     \
        for (int32_t b = 0; b < batches; b++, in += depth) {                              \
            const int8_t *next = weights;                                                 \
            const int32_t *channel = table;                                               \
            for (int32_t left = channels; left > 0; left -= 4) {                          \
                number acc[4];                                                            \
                next = sums(acc, in, next, depth);                                        \
                for (int32_t i = 0; i < (left < 4 ? left : 4); i++) {                     \
                    *out++ = tinyc_dense16(acc[i], channel, wraps, low, high);            \
                    channel += TINYC_DENSE16_WORDS;                                       \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }

/* Where 32 bits hold every sum. */
TINYC_DEFINE_DENSE_S16_DSP(tinyc_dense_s16_dsp, tinyc_sums_s16_dsp, int32_t, tinyc_gemm_4x1)

/* With sums in 64 bits. */
TINYC_DEFINE_DENSE_S16_DSP(tinyc_dense_s16_wide_dsp, tinyc_sums_s16_wide_dsp, int64_t,
                           tinyc_gemm_4x1_wide)

#endif
