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
                                     int32_t input_zero, int32_t zero_point, int32_t low,
                                     int32_t high)
{
    const int32_t size = w->in_c * how->bytes;
    const int32_t depth = w->kernel_h * w->kernel_w * w->in_c;
    const int8_t *image = in;
    int32_t at = 0;

    for (int32_t n = 0; n < w->batches; n++) {
        for (int32_t pixel = 0; pixel < w->out_h * w->out_w; pixel++) {
            const void *x = image + pixel * size;
            if (!tinyc_is_pointwise(w)) {
                tinyc_gather(scratch, image, how->bytes, pixel, w, input_zero, tinyc_put_bytes,
                             tinyc_put_padding_bytes);
                x = scratch;
            }
            const int32_t excess =
                how->weight_zero != 0 ? tinyc_sum_s8(x, depth) * how->weight_zero : 0;
            const int8_t *filter = weights;
            for (int32_t o = 0; o < w->out_c; o += 4) {
                int32_t acc[4];
                filter = tinyc_conv2d_sum4(acc, x, filter, depth, how);
                for (int32_t i = 0; i < 4 && o + i < w->out_c; i++) {
                    how->store(out, at++, acc[i] - excess, table, o + i, how, zero_point, low,
                               high);
                }
            }
        }
        image += w->in_h * w->in_w * size;
    }
}

#endif
