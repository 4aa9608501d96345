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
            ((ys->at - y * w->stride_h) * w->kernel_w + xs->at - xs->first * w->stride_w) * w->in_c;
        for (int32_t x = xs->first; x < xs->end; x++) {
            acc = tinyc_dot_f32(acc, in + (y * w->in_w + x) * w->in_c, filter + tap, w->in_c);
            tap -= w->stride_w * w->in_c;
        }
    }
    return acc;
}

TINYC_INLINE void tinyc_transpose_conv_f32(const float *in, float *out, const float *weights,
                                           const float *bias, const struct tinyc_window *w,
                                           float low, float high)
{
    for (int32_t n = 0; n < w->batches; n++, in += w->in_h * w->in_w * w->in_c) {
        for (int32_t oy = 0; oy < w->out_h; oy++) {
            const struct tinyc_spread ys = tinyc_spread_y(w, oy);
            for (int32_t ox = 0; ox < w->out_w; ox++) {
                const struct tinyc_spread xs = tinyc_spread_x(w, ox);
                const float *filter = weights;
                for (int32_t o = 0; o < w->out_c; o++) {
                    const float sum = tinyc_transpose_conv_sum_f32(in, filter, w, &ys, &xs);
                    *out++ = tinyc_clamp_f32(sum + bias[o], low, high);
                    filter += w->kernel_h * w->kernel_w * w->in_c;
                }
            }
        }
    }
}

#endif
