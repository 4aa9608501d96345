/* Convolution of four channels at a time, whose sums 32 bits hold; weights: those of
 * tinyc_tile4.h, [out_c, rounded up to fours][kernel_h][kernel_w][in_c]. */
#ifndef TINYC_CONV2D_TILE4_H
#define TINYC_CONV2D_TILE4_H

#include "tinyc_gather.h"
#include "tinyc_integers.h"
#include "tinyc_tile4.h"

TINYC_INLINE const int8_t *tinyc_conv2d_sum4(int32_t *acc, const void *x, const int8_t *weights,
                                             int32_t depth, const struct tinyc_integers *how)
{
    return how->bytes == 1 ? tinyc_tile4(acc, x, weights, depth)
                           : tinyc_tile4_s16(acc, x, weights, depth);
}

/* scratch: a window's inputs; of no use where the windows are the pixels of the image. */
TINYC_INLINE void tinyc_conv2d_tile4(const void *in, void *out, void *scratch,
                                     const int8_t *weights, const void *table,
                                     const struct tinyc_window *w, const struct tinyc_integers *how,
                                     int32_t input_zero, const struct tinyc_outputs *outputs)
{
    const int32_t size = w->in.c * how->bytes;
    const int32_t depth = w->kernel.h * w->kernel.w * w->in.c;
    const int8_t *image = in;

    for (int32_t n = 0; n < w->in.n; n++, image += w->in.h * w->in.w * size) {
        for (int32_t oy = 0; oy < w->out.h; oy++) {
            for (int32_t ox = 0; ox < w->out.w; ox++) {
                const void *x = image + (oy * w->in.w + ox) * size;
                if (!tinyc_is_pointwise(w)) {
                    tinyc_gather(scratch, image, how->bytes, oy, ox, w, input_zero, tinyc_put_bytes,
                                 tinyc_put_padding_bytes);
                    x = scratch;
                }
                const int32_t excess =
                    how->weight_zero != 0 ? tinyc_sum_s8(x, depth) * how->weight_zero : 0;
                const int8_t *filter = weights;
                const void *entry = table;
                for (int32_t left = w->out.c; left > 0; left -= 4) {
                    int32_t acc[4];
                    filter = tinyc_conv2d_sum4(acc, x, filter, depth, how);
                    for (int32_t i = 0; i < (left < 4 ? left : 4); i++) {
                        out = tinyc_finish(out, acc[i] - excess, &entry, how, outputs);
                    }
                }
            }
        }
    }
}

#endif
