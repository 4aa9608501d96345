/* Four windows of a convolution at a time, as the columns that tinyc_mac.h reads. */
#ifndef TINYC_COLUMNS_H
#define TINYC_COLUMNS_H

#include "tinyc_dsp.h"
#include "tinyc_gather.h"

/* `size` bytes, a multiple of four, widened: of each quad k0..k3 first the row (k0, k2), then
 * (k1, k3), which is what SXTB16 leaves of four bytes. */
TINYC_HANDED void *tinyc_put_column_s8(void *to, const int8_t *from, int32_t size)
{
    uint32_t *column = to;

    for (; size > 0; size -= 4, from += 4, column += 8) {
        const uint32_t quad = tinyc_load4(from);
        column[0] = tinyc_sxtb16(quad);
        column[4] = tinyc_sxtb16_ror8(quad);
    }
    return column;
}

TINYC_HANDED void *tinyc_put_column_padding_s8(void *to, int32_t padding, int32_t size)
{
    const uint32_t pair = ((uint32_t)padding & 0xffffU) * 0x10001U;
    uint32_t *column = to;

    for (; size > 0; size -= 4, column += 8) {
        column[0] = pair;
        column[4] = pair;
    }
    return column;
}

/* Pairs of int16. */
TINYC_HANDED void *tinyc_put_column_s16(void *to, const int8_t *from, int32_t size)
{
    uint32_t *column = to;

    for (; size > 0; size -= 4, from += 4, column += 4) {
        memcpy(column, from, 4);
    }
    return column;
}

/* Whose padding is 0. */
TINYC_HANDED void *tinyc_put_column_padding_s16(void *to, int32_t padding, int32_t size)
{
    uint32_t *column = to;

    for (; size > 0; size -= 4, column += 4) {
        *column = (uint32_t)padding;
    }
    return column;
}

/* Inputs of a window with what fills up a column: a multiple of eight. */
TINYC_INLINE int32_t tinyc_columns_depth(const struct tinyc_window *w)
{
    return (w->kernel.h * w->kernel.w * w->in.c + 7) / 8 * 8;
}

/* The windows of `count` (1 to 4) pixels of the output from `first`. scratch: the columns and,
 * where a pixel's inputs are no whole words, a window as it lies in the image, then what fills it
 * up, which meets weights of 0. */
TINYC_INLINE void tinyc_columns(uint8_t *scratch, const void *in, int32_t bytes, int32_t first,
                                int32_t count, const struct tinyc_window *w, int32_t padding)
{
    tinyc_put *const put = bytes == 1 ? tinyc_put_column_s8 : tinyc_put_column_s16;
    tinyc_put_padding *const put_padding =
        bytes == 1 ? tinyc_put_column_padding_s8 : tinyc_put_column_padding_s16;
    uint32_t *column = (uint32_t *)(void *)scratch;
    int8_t *const patch = (int8_t *)(column + 4 * tinyc_columns_depth(w) / 2);
    const int32_t size = w->in.c * bytes;

    for (int32_t pixel = first; pixel < first + count; pixel++, column++) {
        const int32_t oy = pixel / w->out.w;
        const int32_t ox = pixel % w->out.w;
        if (size % 4 != 0) {
            tinyc_gather(patch, in, bytes, oy, ox, w, padding, tinyc_put_bytes,
                         tinyc_put_padding_bytes);
            (void)put(column, patch, tinyc_columns_depth(w) * bytes);
        } else if (tinyc_is_pointwise(w)) {
            (void)put(column, (const int8_t *)in + pixel * size, size);
        } else {
            tinyc_gather(column, in, bytes, oy, ox, w, padding, put, put_padding);
        }
    }
}

#endif
