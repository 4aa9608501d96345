#ifndef TINYC_QUANTIZE_EVEN_H
#define TINYC_QUANTIZE_EVEN_H

#include "tinyc_nearest_even.h"
#include "tinyc_requant.h"

/* x / scale + zero_point, halves to even; what is no number becomes the least. */
TINYC_INLINE int32_t tinyc_quantize_even(float x, float scale, int32_t zero_point, int32_t low,
                                         int32_t high)
{
    const float ratio = x / scale;
    if (ratio >= 1048576.0f) {
        return high;
    }
    return ratio > -1048576.0f ? tinyc_clamp(tinyc_nearest_even(ratio) + zero_point, low, high)
                               : low;
}

#endif
