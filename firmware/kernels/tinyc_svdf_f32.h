/* SVDF of float32. */
#ifndef TINYC_SVDF_F32_H
#define TINYC_SVDF_F32_H

#include "tinyc_clamp_f32.h"
#include "tinyc_dot_f32.h"
#include "tinyc_svdf_shape.h"

/* features: weights [filter][depth]; times: weights [filter][memory]; low, high: of the outputs. */
struct tinyc_svdf_f32 {
    const float *features, *times, *bias;
    float low, high;
};

/* What a filter says when `level` joins its levels. */
TINYC_INLINE float tinyc_svdf_filter_f32(float level, const float *levels, float *levels_next,
                                         const float *times, int32_t memory)
{
    const int32_t newest = memory - 1;
    float said = 0.0f;

    for (int32_t k = 0; k < newest; k++) {
        levels_next[k] = levels[k + 1];
        said += levels_next[k] * times[k];
    }
    levels_next[newest] = level;
    return said + level * times[newest];
}

/* Levels of before to those after, which may lie at the same place. */
TINYC_INLINE void tinyc_svdf_f32(const float *in, const float *levels, float *out,
                                 float *levels_next, const struct tinyc_svdf *svdf,
                                 const struct tinyc_svdf_f32 *with)
{
    for (int32_t b = 0; b < svdf->batches; b++, in += svdf->depth) {
        const float *features = with->features;
        const float *times = with->times;
        for (int32_t unit = 0; unit < svdf->units; unit++) {
            float total = with->bias[unit];
            for (int32_t r = 0; r < svdf->rank; r++) {
                const float level = tinyc_dot_f32(0.0f, in, features, svdf->depth);
                total += tinyc_svdf_filter_f32(level, levels, levels_next, times, svdf->memory);
                features += svdf->depth;
                times += svdf->memory;
                levels += svdf->memory;
                levels_next += svdf->memory;
            }
            *out++ = tinyc_clamp_f32(total, with->low, with->high);
        }
    }
}

#endif
