#ifndef TINYC_DOT_F32_H
#define TINYC_DOT_F32_H

#include "tinyc_base.h"

/* acc + sum of x[i] * w[i], added in this order */
TINYC_INLINE float tinyc_dot_f32(float acc, const float *x, const float *w, int32_t count)
{
    for (; count > 0; count--) {
        acc += *x++ * *w++;
    }
    return acc;
}

#endif
