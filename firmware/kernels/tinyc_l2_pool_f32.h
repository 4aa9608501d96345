#ifndef TINYC_L2_POOL_F32_H
#define TINYC_L2_POOL_F32_H

#include "tinyc_math.h"
#include "tinyc_pool_f32.h"

/* The root of the mean square of each window's pixels inside of the image. */
TINYC_INLINE void tinyc_l2_pool_f32(const float *in, float *out, const struct tinyc_window *window,
                                    float low, float high)
{
    const int32_t elements = window->in.n * window->out.h * window->out.w * window->in.c;

    tinyc_pool_f32(in, out, window, TINYC_MEAN_SQUARE_F32, 0.0f, INFINITY);
    for (int32_t i = 0; i < elements; i++) {
        out[i] = tinyc_clamp_f32(sqrtf(out[i]), low, high);
    }
}

#endif
