/* Convolution of four pixels with all channels, by tinyc_pairs_thumb2.h. */
#ifndef TINYC_CONV2D_THUMB2_H
#define TINYC_CONV2D_THUMB2_H

#include "tinyc_gather.h"
#include "tinyc_pairs_thumb2.h"

/* The windows of four pixels of the output from `first` on; of pixels behind the image, the last
 * one's. outside: a pixel of the padding. */
TINYC_INLINE void tinyc_pairs_columns(uint32_t *columns, const int8_t *image, int32_t first,
                                      const struct tinyc_window *w, const int8_t *outside)
{
    const int32_t last = w->out.h * w->out.w - 1;
    const int8_t *from[4];
    int32_t y0[4];
    int32_t x0[4];
    /* Whether the taps of a row lie side by side in the image as well. */
    int whole = w->dilation.w == 1;

    for (int32_t p = 0; p < 4; p++) {
        const int32_t pixel = first + p < last ? first + p : last;
        const int32_t oy = pixel / w->out.w;
        y0[p] = oy * w->stride.h - w->padding.top;
        x0[p] = (pixel - oy * w->out.w) * w->stride.w - w->padding.left;
        whole = whole && tinyc_are_inside(x0[p], w->kernel.w, w->in.w);
        from[p] = image + pixel * w->in.c;
    }
    if (tinyc_is_pointwise(w)) {
        (void)tinyc_put_pairs(columns, from, w->in.c);
        return;
    }
    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        int whole_row = whole;
        for (int32_t p = 0; p < 4; p++) {
            const int32_t y = y0[p] + ky * w->dilation.h;
            whole_row = whole_row && tinyc_is_inside(y, w->in.h);
            from[p] = image + (y * w->in.w + x0[p]) * w->in.c;
        }
        if (whole_row) {
            columns = tinyc_put_pairs(columns, from, w->kernel.w * w->in.c);
            continue;
        }
        for (int32_t kx = 0; kx < w->kernel.w; kx++) {
            for (int32_t p = 0; p < 4; p++) {
                const int32_t y = y0[p] + ky * w->dilation.h;
                const int32_t x = x0[p] + kx * w->dilation.w;
                from[p] = tinyc_inside(w, y, x) ? image + (y * w->in.w + x) * w->in.c : outside;
            }
            columns = tinyc_put_pairs(columns, from, w->in.c);
        }
    }
}

/* scratch: the columns, a pixel of the padding, and four pixels of the output. */
TINYC_INLINE void tinyc_conv2d_thumb2(const int8_t *in, int8_t *out, uint8_t *scratch,
                                      const struct tinyc_pairs *layer, const struct tinyc_window *w,
                                      int32_t input_zero, int32_t low, int32_t high,
                                      tinyc_pairs_tile *tile)
{
    const int32_t pixels = w->out.h * w->out.w;
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    int8_t *const outside = (int8_t *)(columns + 2 * layer->depth);
    int8_t *const last = outside + (tinyc_is_padded(w) ? w->in.c : 0);

    if (tinyc_is_padded(w)) {
        memset(outside, input_zero, (size_t)w->in.c);
    }
    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        for (int32_t first = 0; first < pixels; first += 4) {
            const int32_t bytes = (first + 4 <= pixels ? 4 : pixels - first) * w->out.c;
            int8_t *const to = first + 4 <= pixels ? out : last;
            tinyc_pairs_columns(columns, in, first, w, outside);
            tile(layer, columns, to, w->out.c);
            if (to != out) {
                memcpy(out, to, (size_t)bytes);
            }
            tinyc_limit_s8(out, bytes, low, high);
            out += bytes;
        }
    }
}

#endif
