/* Transposed convolution of float32, see tinyc_transpose_conv.h. */
#ifndef TINYC_TRANSPOSE_CONV_F32_H
#define TINYC_TRANSPOSE_CONV_F32_H

#include "tinyc_clamp_f32.h"
#include "tinyc_dot_f32.h"
#include "tinyc_spread.h"

TINYC_INLINE float tinyc_transpose_conv_sum_f32(const float *in, const float *filter,
                                                const struct tinyc_window *w,
                                                const struct tinyc_spread *ys,
                                                const struct tinyc_spread *xs)
{
    float acc = 0.0f;

    for (int32_t y = ys->first; y < ys->end; y++) {
        int32_t tap =
            ((ys->at - y * w->stride.h) * w->kernel.w + xs->at - xs->first * w->stride.w) * w->in.c;
        for (int32_t x = xs->first; x < xs->end; x++) {
            acc = tinyc_dot_f32(acc, in + (y * w->in.w + x) * w->in.c, filter + tap, w->in.c);
            tap -= w->stride.w * w->in.c;
        }
    }
    return acc;
}

TINYC_INLINE void tinyc_transpose_conv_f32(const float *in, float *out, const float *weights,
                                           const float *bias, const struct tinyc_window *w,
                                           float low, float high)
{
    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const struct tinyc_spread ys = tinyc_spread_y(w, oy);
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const struct tinyc_spread xs = tinyc_spread_x(w, ox);
                const float *filter = weights;
                for (int32_t o = 0; o < w->out.c; o++) {
                    const float sum = tinyc_transpose_conv_sum_f32(in, filter, w, &ys, &xs);
                    *out++ = tinyc_clamp_f32(sum + bias[o], low, high);
                    filter += w->kernel.h * w->kernel.w * w->in.c;
                }
            }
        }
    }
}

#endif
