/* Convolution of float32. weights: [out_c][kernel_h][kernel_w][in_c / groups]. */
#ifndef TINYC_CONV2D_F32_H
#define TINYC_CONV2D_F32_H

#include "tinyc_clamp_f32.h"
#include "tinyc_dot_f32.h"
#include "tinyc_window.h"

/* As tinyc_conv2d_sum. */
TINYC_INLINE float tinyc_conv2d_sum_f32(const float *in, const float *filter,
                                        const struct tinyc_window *w, const struct tinyc_taps *ys,
                                        const struct tinyc_taps *xs, int32_t depth)
{
    const int together = depth == w->in.c && w->dilation.w == 1;
    const int32_t end = xs->first < xs->end ? ys->end : 0;
    float acc = 0.0f;

    for (int32_t ky = ys->first; ky < end; ky++) {
        const int32_t y = ys->start + ky * w->dilation.h;
        const float *tap = filter + (ky * w->kernel.w + xs->first) * depth;
        const float *x = in + (y * w->in.w + xs->start + xs->first * w->dilation.w) * w->in.c;
        if (together) {
            acc = tinyc_dot_f32(acc, x, tap, (xs->end - xs->first) * depth);
            continue;
        }
        for (int32_t kx = xs->first;;) {
            acc = tinyc_dot_f32(acc, x, tap, depth);
            if (++kx == xs->end) {
                break;
            }
            x += w->dilation.w * w->in.c;
            tap += depth;
        }
    }
    return acc;
}

TINYC_INLINE void tinyc_conv2d_f32(const float *in, float *out, const float *weights,
                                   const float *bias, const struct tinyc_window *w, int32_t groups,
                                   float low, float high)
{
    const int32_t depth = w->in.c / groups;

    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const struct tinyc_taps ys = tinyc_taps_y(w, oy);
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const struct tinyc_taps xs = tinyc_taps_x(w, ox);
                const float *filter = weights;
                for (int32_t o = 0; o < w->out.c; o++) {
                    const int32_t group = o / (w->out.c / groups);
                    const float sum =
                        tinyc_conv2d_sum_f32(in + group * depth, filter, w, &ys, &xs, depth);
                    *out++ = tinyc_clamp_f32(sum + bias[o], low, high);
                    filter += w->kernel.h * w->kernel.w * depth;
                }
            }
        }
    }
}

#endif
