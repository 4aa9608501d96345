/* The inputs under a window, tap by tap, as one row. */
#ifndef TINYC_GATHER_H
#define TINYC_GATHER_H

#include "tinyc_window.h"

/* Write inputs of `size` bytes behind each other, those of an image or, outside of it, its padding;
 * return where the next ones belong. */
typedef void *tinyc_put(void *to, const int8_t *from, int32_t size);
typedef void *tinyc_put_padding(void *to, int32_t padding, int32_t size);

/* Side by side, as they are. An int16's padding is 0. */
TINYC_INLINE void *tinyc_put_bytes(void *to, const int8_t *from, int32_t size)
{
    memcpy(to, from, (size_t)size);
    return (int8_t *)to + size;
}

TINYC_INLINE void *tinyc_put_padding_bytes(void *to, int32_t padding, int32_t size)
{
    memset(to, padding, (size_t)size);
    return (int8_t *)to + size;
}

/* bytes: of an input; oy, ox: the output's pixel. */
TINYC_INLINE void tinyc_gather(void *to, const void *in, int32_t bytes, int32_t oy, int32_t ox,
                               const struct tinyc_window *w, int32_t padding, tinyc_put *put,
                               tinyc_put_padding *put_padding)
{
    const int8_t *const image = in;
    const int32_t size = w->in_c * bytes;
    const int32_t y0 = oy * w->stride_h - w->pad_top;
    const int32_t x0 = ox * w->stride_w - w->pad_left;
    /* Whether the taps of a row lie side by side in the image as well. */
    const int whole = w->dilation_w == 1 && tinyc_is_inside(x0, w->in_w - w->kernel_w + 1);

    for (int32_t ky = 0; ky < w->kernel_h; ky++) {
        const int32_t y = y0 + ky * w->dilation_h;
        if (!tinyc_is_inside(y, w->in_h)) {
            to = put_padding(to, padding, w->kernel_w * size);
            continue;
        }
        const int8_t *const row = image + y * w->in_w * size;
        if (whole) {
            to = put(to, row + x0 * size, w->kernel_w * size);
            continue;
        }
        for (int32_t kx = 0; kx < w->kernel_w; kx++) {
            const int32_t x = x0 + kx * w->dilation_w;
            if (tinyc_is_inside(x, w->in_w)) {
                to = put(to, row + x * size, size);
            } else {
                to = put_padding(to, padding, size);
            }
        }
    }
}

/* Whether the windows are the pixels of the image, in their order. */
TINYC_INLINE int tinyc_is_pointwise(const struct tinyc_window *w)
{
    return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->out_h == w->in_h && w->out_w == w->in_w;
}

#endif
