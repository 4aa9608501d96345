#ifndef TINYC_CLAMP_F32_H
#define TINYC_CLAMP_F32_H

#include "tinyc_base.h"

/* What is no number stays so. */
TINYC_INLINE float tinyc_clamp_f32(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

#endif
