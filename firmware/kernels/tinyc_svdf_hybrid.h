/* SVDF of float32 with int8 weights of features. */
#ifndef TINYC_SVDF_HYBRID_H
#define TINYC_SVDF_HYBRID_H

#include "tinyc_hybrid_rows.h"
#include "tinyc_svdf_f32.h"

/* features: weights of four filters together; times: weights [filter][memory]; scratch: for the
 * numbers of an input, depth of them; low, high: of the outputs. */
struct tinyc_svdf_hybrid {
    struct tinyc_rows features;
    const float *times, *bias;
    int8_t *scratch;
    int asymmetric;
    float low, high;
};

/* Levels of before to those after, which may lie at the same place. */
TINYC_INLINE void tinyc_svdf_hybrid(const float *in, const float *levels, float *out,
                                    float *levels_next, const struct tinyc_svdf *svdf,
                                    const struct tinyc_svdf_hybrid *with)
{
    for (int32_t b = 0; b < svdf->batches; b++, in += svdf->depth) {
        const struct tinyc_row row = tinyc_row(in, with->scratch, svdf->depth, with->asymmetric);
        struct tinyc_rows features = with->features;
        const float *times = with->times;
        int32_t filter = 0;
        float level[4];
        for (int32_t unit = 0; unit < svdf->units; unit++) {
            float total = with->bias[unit];
            for (int32_t r = 0; r < svdf->rank; r++, filter++) {
                if (filter % 4 == 0) {
                    tinyc_next_four(level, &row, &features);
                }
                total += tinyc_svdf_filter_f32(level[filter % 4], levels, levels_next, times,
                                               svdf->memory);
                times += svdf->memory;
                levels += svdf->memory;
                levels_next += svdf->memory;
            }
            *out++ = tinyc_clamp_f32(total, with->low, with->high);
        }
    }
}

#endif
