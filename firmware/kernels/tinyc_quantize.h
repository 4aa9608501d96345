#ifndef TINYC_QUANTIZE_H
#define TINYC_QUANTIZE_H

#include "tinyc_base.h"
#include "tinyc_requant.h"

/* round(x / scale), halves away from zero; 2^20 at most, and 0 if x is not a number. */
static inline int32_t tinyc_quantize(float x, float scale)
{
    const float ratio = x / scale;
    if (ratio >= 1048576.0f) {
        return 1048576;
    }
    if (ratio <= -1048576.0f) {
        return -1048576;
    }
    if (!(ratio >= -1048576.0f)) {
        return 0;
    }
    /* The fraction of a float32 under 2^23 is exact. */
    const int32_t whole = (int32_t)ratio;
    const float fraction = ratio - (float)whole;
    return whole + (fraction >= 0.5f ? 1 : 0) - (fraction <= -0.5f ? 1 : 0);
}

/* The nearest of low, low + step, ... high, of which `inverse` lie in 1. */
TINYC_INLINE float tinyc_fake_quant_f32(float x, float low, float high, float step, float inverse)
{
    const float least = x > low ? x : low;
    const float bounded = least < high ? least : high;

    return (float)tinyc_quantize((bounded - low) * inverse, 1.0f) * step + low;
}

TINYC_INLINE int32_t tinyc_quantize_f32(float x, float scale, int32_t zero_point, int32_t low,
                                        int32_t high)
{
    return tinyc_clamp(tinyc_quantize(x, scale) + zero_point, low, high);
}

#endif
