/* Depthwise convolution of four channels at a time, whose sums 32 bits hold.
 * weights: for each four channels (see tinyc_overlap), for each tap, one byte a channel. */
#ifndef TINYC_DEPTHWISE_TILE4_H
#define TINYC_DEPTHWISE_TILE4_H

#include "tinyc_integers.h"
#include "tinyc_window.h"

/* acc[i] + the products of the four channels from `c` at those taps that lie in the image. */
TINYC_INLINE void tinyc_depthwise_sum4(int32_t *acc, const void *in, int32_t c,
                                       const int8_t *filter, const struct tinyc_window *w,
                                       const struct tinyc_taps *ys, const struct tinyc_taps *xs,
                                       int32_t input_zero, const struct tinyc_integers *how)
{
    const int32_t y = ys->start + ys->first * w->dilation.h;
    const int32_t x = xs->start + xs->first * w->dilation.w;
    const int8_t *row = (const int8_t *)in + ((y * w->in.w + x) * w->in.c + c) * how->bytes;
    const int8_t *taps = filter + 4 * (ys->first * w->kernel.w + xs->first);

    for (int32_t ky = ys->first; ky < ys->end; ky++) {
        const int8_t *pixel = row;
        const int8_t *tap = taps;
        for (int32_t kx = xs->first; kx < xs->end; kx++) {
            TINYC_UNROLL(4)
            for (int32_t i = 0; i < 4; i++) {
                const int32_t v = tinyc_input(pixel, how->bytes, i) - input_zero;
                acc[i] += v * (tap[i] - how->weight_zero);
            }
            pixel += w->dilation.w * w->in.c * how->bytes;
            tap += 4;
        }
        row += w->dilation.h * w->in.w * w->in.c * how->bytes;
        taps += 4 * w->kernel.w;
    }
}

/* tinyc_depthwise_sum4, or what a core has instead. */
typedef void tinyc_sum4(int32_t *acc, const void *in, int32_t c, const int8_t *filter,
                        const struct tinyc_window *w, const struct tinyc_taps *ys,
                        const struct tinyc_taps *xs, int32_t input_zero,
                        const struct tinyc_integers *how);

TINYC_INLINE void tinyc_depthwise4(const void *in, void *out, const int8_t *weights,
                                   const void *table, const struct tinyc_window *w,
                                   const struct tinyc_integers *how, int32_t input_zero,
                                   const struct tinyc_outputs *outputs, tinyc_sum4 *sum4)
{
    const int8_t *image = in;

    for (int32_t n = 0; n < w->in.n; n++) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            const struct tinyc_taps ys = tinyc_taps_y(w, oy);
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const struct tinyc_taps xs = tinyc_taps_x(w, ox);
                const int8_t *filter = weights;
                const void *entry = table;
                for (int32_t c = 0; c < w->in.c; c += 4) {
                    const int32_t overlap = tinyc_overlap(c, w->in.c);
                    int32_t acc[4] = {0, 0, 0, 0};
                    sum4(acc, image, c - overlap, filter, w, &ys, &xs, input_zero, how);
                    out = (int8_t *)out - overlap * how->output_bytes;
                    for (int32_t i = 0; i < 4; i++) {
                        out = tinyc_finish(out, acc[i], &entry, how, outputs);
                    }
                    filter += 4 * w->kernel.h * w->kernel.w;
                }
            }
        }
        image += w->in.h * w->in.w * w->in.c * how->bytes;
    }
}

TINYC_INLINE void tinyc_depthwise_tile4(const void *in, void *out, const int8_t *weights,
                                        const void *table, const struct tinyc_window *w,
                                        const struct tinyc_integers *how, int32_t input_zero,
                                        const struct tinyc_outputs *outputs)
{
    tinyc_depthwise4(in, out, weights, table, w, how, input_zero, outputs, tinyc_depthwise_sum4);
}

#endif
