/* The inputs under a window, tap by tap, as one row. */
#ifndef TINYC_GATHER_H
#define TINYC_GATHER_H

#include "tinyc_window.h"

/* Write inputs of `size` bytes behind each other, those of an image or, outside of it, its padding;
 * return where the next ones belong. */
typedef void *tinyc_put(void *to, const int8_t *from, int32_t size);
typedef void *tinyc_put_padding(void *to, int32_t padding, int32_t size);

/* Side by side, as they are. An int16's padding is 0. */
TINYC_HANDED void *tinyc_put_bytes(void *to, const int8_t *from, int32_t size)
{
    memcpy(to, from, (size_t)size);
    return (int8_t *)to + size;
}

TINYC_HANDED void *tinyc_put_padding_bytes(void *to, int32_t padding, int32_t size)
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
    const int32_t size = w->in.c * bytes;
    const int32_t y0 = oy * w->stride.h - w->padding.top;
    const int32_t x0 = ox * w->stride.w - w->padding.left;
    /* Whether the taps of a row lie side by side in the image as well. */
    const int whole = w->dilation.w == 1 && tinyc_are_inside(x0, w->kernel.w, w->in.w);

    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        const int32_t y = y0 + ky * w->dilation.h;
        if (!tinyc_is_inside(y, w->in.h)) {
            to = put_padding(to, padding, w->kernel.w * size);
            continue;
        }
        const int8_t *const row = image + y * w->in.w * size;
        if (whole) {
            to = put(to, row + x0 * size, w->kernel.w * size);
            continue;
        }
        for (int32_t kx = 0; kx < w->kernel.w; kx++) {
            const int32_t x = x0 + kx * w->dilation.w;
            if (tinyc_is_inside(x, w->in.w)) {
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
    return w->kernel.h == 1 && w->kernel.w == 1 && w->stride.h == 1 && w->stride.w == 1 &&
           w->out.h == w->in.h && w->out.w == w->in.w;
}

#endif
