/* Transposed convolution, a sum at a time: pixel i of the image goes by tap o - i * stride of the
 * filter to output o. weights: [out_c][kernel_h][kernel_w][in_c]; the padding of the window is what
 * is cut off before the first row and column of the outputs. */
#ifndef TINYC_TRANSPOSE_CONV_H
#define TINYC_TRANSPOSE_CONV_H

#include "tinyc_integers.h"
#include "tinyc_spread.h"

TINYC_INLINE int64_t tinyc_transpose_conv_sum(const int8_t *in, const int8_t *filter,
                                              const struct tinyc_window *w,
                                              const struct tinyc_spread *ys,
                                              const struct tinyc_spread *xs, int32_t input_zero,
                                              const struct tinyc_integers *how)
{
    struct tinyc_sum sum = {0, 0};

    for (int32_t y = ys->first; y < ys->end; y++) {
        int32_t tap =
            ((ys->at - y * w->stride.h) * w->kernel.w + xs->at - xs->first * w->stride.w) * w->in.c;
        for (int32_t x = xs->first; x < xs->end; x++) {
            tinyc_add_products(&sum, in + (y * w->in.w + x) * w->in.c * how->bytes, filter + tap,
                               w->in.c, input_zero, how);
            tap -= w->stride.w * w->in.c;
        }
    }
    return tinyc_summed(&sum, how);
}

TINYC_INLINE void tinyc_transpose_conv(const void *in, void *out, const int8_t *weights,
                                       const void *table, const struct tinyc_window *w,
                                       const struct tinyc_integers *how, int32_t input_zero,
                                       const struct tinyc_outputs *outputs)
{
    const int8_t *image = in;

    for (int32_t n = 0; n < w->in.n; n++) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const struct tinyc_spread ys = tinyc_spread_y(w, oy);
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const struct tinyc_spread xs = tinyc_spread_x(w, ox);
                const int8_t *filter = weights;
                const void *entry = table;
                for (int32_t o = 0; o < w->out.c; o++) {
                    const int64_t sum =
                        tinyc_transpose_conv_sum(image, filter, w, &ys, &xs, input_zero, how);
                    out = tinyc_finish(out, sum, &entry, how, outputs);
                    filter += w->kernel.h * w->kernel.w * w->in.c;
                }
            }
        }
        image += w->in.h * w->in.w * w->in.c * how->bytes;
    }
}

#endif
