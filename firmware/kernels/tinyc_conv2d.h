/* Convolution, a sum at a time; depthwise convolution is that of as many groups as channels.
 * weights: [out_c][kernel_h][kernel_w][in_c / groups]. */
#ifndef TINYC_CONV2D_H
#define TINYC_CONV2D_H

#include "tinyc_integers.h"
#include "tinyc_window.h"

/* The sum of one filter over those of its taps that lie in the image. Where its rows lie side by
 * side in the image as well, they are one sum each. */
TINYC_INLINE int64_t tinyc_conv2d_sum(const int8_t *in, const int8_t *filter,
                                      const struct tinyc_window *w, const struct tinyc_taps *ys,
                                      const struct tinyc_taps *xs, int32_t depth,
                                      int32_t input_zero, const struct tinyc_integers *how)
{
    const int together = depth == w->in.c && w->dilation.w == 1;
    const int32_t end = xs->first < xs->end ? ys->end : 0;
    struct tinyc_sum sum = {0, 0};

    for (int32_t ky = ys->first; ky < end; ky++) {
        const int32_t y = ys->start + ky * w->dilation.h;
        const int8_t *tap = filter + (ky * w->kernel.w + xs->first) * depth;
        int32_t at = (y * w->in.w + xs->start + xs->first * w->dilation.w) * w->in.c;
        if (together) {
            tinyc_add_products(&sum, in + at * how->bytes, tap, (xs->end - xs->first) * depth,
                               input_zero, how);
            continue;
        }
        for (int32_t kx = xs->first; kx < xs->end; kx++) {
            tinyc_add_products(&sum, in + at * how->bytes, tap, depth, input_zero, how);
            at += w->dilation.w * w->in.c;
            tap += depth;
        }
    }
    return tinyc_summed(&sum, how);
}

TINYC_INLINE void tinyc_conv2d(const void *in, void *out, const int8_t *weights, const void *table,
                               const struct tinyc_window *w, const struct tinyc_integers *how,
                               int32_t input_zero, const struct tinyc_outputs *outputs)
{
    const int32_t depth = w->in.c / how->groups;
    const int8_t *image = in;

    for (int32_t n = 0; n < w->in.n; n++) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const struct tinyc_taps ys = tinyc_taps_y(w, oy);
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const struct tinyc_taps xs = tinyc_taps_x(w, ox);
                const int8_t *filter = weights;
                const void *entry = table;
                for (int32_t o = 0; o < w->out.c; o++) {
                    const int32_t group = o / (w->out.c / how->groups);
                    const int64_t sum = tinyc_conv2d_sum(image + group * depth * how->bytes, filter,
                                                         w, &ys, &xs, depth, input_zero, how);
                    out = tinyc_finish(out, sum, &entry, how, outputs);
                    filter += w->kernel.h * w->kernel.w * depth;
                }
            }
        }
        image += w->in.h * w->in.w * w->in.c * how->bytes;
    }
}

#endif
