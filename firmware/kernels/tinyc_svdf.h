/* SVDF of int8 numbers and int16 or int8 levels, exact with TFLite's (see tinyc/ops/svdf.py). */
#ifndef TINYC_SVDF_H
#define TINYC_SVDF_H

#include "tinyc_four_sums.h"
#include "tinyc_requant.h"
#include "tinyc_svdf_shape.h"

/* features: weights of four filters together, as `sums` reads them; offsets: what is added to the
 * sums of each filter; bias: of each unit; level_multiplier, level_shift, level_zero: of the
 * levels, whose type holds least to most; multiplier, shift, zero_point: of the outputs. */
struct tinyc_svdf_s8 {
    const int8_t *features;
    const int32_t *offsets, *bias;
    tinyc_four_sums *sums;
    int32_t level_multiplier, level_shift, level_zero, least, most;
    int32_t multiplier, shift, zero_point;
};

/* The function `name` for levels and weights of time [filter][memory] of the type `element`. From
 * the levels of before to those after, which may lie at the same place. Sums over time of more
 * than 32 bits wrap around, as TFLite's do. */
#define TINYC_DEFINE_SVDF(name, element)                                                         \
    TINYC_INLINE void name(const int8_t *in, const element *levels, int8_t *out,                 \
                           element *levels_next, const element *times,                           \
                           const struct tinyc_svdf *svdf, const struct tinyc_svdf_s8 *with)      \
    {                                                                                            \
        const int32_t newest = svdf->memory - 1;                                                 \
                                                                                                 \
        for (int32_t b = 0; b < svdf->batches; b++, in += svdf->depth) {                         \
            const int8_t *features = with->features;                                             \
            const element *weights = times;                                                      \
            int32_t filter = 0;                                                                  \
            int32_t acc[4];                                                                      \
            for (int32_t unit = 0; unit < svdf->units; unit++) {                                 \
                uint32_t total = (uint32_t)with->bias[unit];                                     \
                for (int32_t r = 0; r < svdf->rank; r++, filter++) {                             \
                    if (filter % 4 == 0) {                                                       \
                        memset(acc, 0, sizeof acc);                                              \
                        features = with->sums(acc, in, features, svdf->depth);                   \
                    }                                                                            \
                    const int32_t sum = acc[filter % 4] + with->offsets[filter];                 \
                    const int32_t level =                                                        \
                        tinyc_requant2(sum, with->level_multiplier, with->level_shift);          \
                    const int32_t held =                                                         \
                        tinyc_clamp_offset(level, with->level_zero, with->least, with->most);    \
                    for (int32_t k = 0; k < newest; k++) {                                       \
                        const int32_t older = levels[k + 1];                                     \
                        levels_next[k] = (element)older;                                         \
                        total += (uint32_t)(weights[k] * (older - with->level_zero));            \
                    }                                                                            \
                    levels_next[newest] = (element)held;                                         \
                    total += (uint32_t)(weights[newest] * (held - with->level_zero));            \
                    weights += svdf->memory;                                                     \
                    levels += svdf->memory;                                                      \
                    levels_next += svdf->memory;                                                 \
                }                                                                                \
                const int32_t y = tinyc_requant2((int32_t)total, with->multiplier, with->shift); \
                *out++ = (int8_t)tinyc_clamp_offset(y, with->zero_point, INT8_MIN, INT8_MAX);    \
            }                                                                                    \
        }                                                                                        \
    }

TINYC_DEFINE_SVDF(tinyc_svdf_s8_s16, int16_t)

TINYC_DEFINE_SVDF(tinyc_svdf_s8_s8, int8_t)

#endif
