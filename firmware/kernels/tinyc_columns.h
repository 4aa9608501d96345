/* Two or four windows of a convolution at a time, as the columns that tinyc_halves.h and
 * tinyc_mac.h read. */
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

/* The same of two windows. Written out, as loads that follow each other take half the time. */
static TINYC_SHARED void *tinyc_put_pair_s8(void *to, const int8_t *from, int32_t size)
{
    uint32_t *column = to;

    for (; size >= 16; size -= 16, from += 16, column += 16) {
        const uint32_t quad[4] = {tinyc_load4(from), tinyc_load4(from + 4), tinyc_load4(from + 8),
                                  tinyc_load4(from + 12)};
        column[0] = tinyc_sxtb16(quad[0]);
        column[2] = tinyc_sxtb16_ror8(quad[0]);
        column[4] = tinyc_sxtb16(quad[1]);
        column[6] = tinyc_sxtb16_ror8(quad[1]);
        column[8] = tinyc_sxtb16(quad[2]);
        column[10] = tinyc_sxtb16_ror8(quad[2]);
        column[12] = tinyc_sxtb16(quad[3]);
        column[14] = tinyc_sxtb16_ror8(quad[3]);
    }
    for (; size > 0; size -= 4, from += 4, column += 4) {
        const uint32_t quad = tinyc_load4(from);
        column[0] = tinyc_sxtb16(quad);
        column[2] = tinyc_sxtb16_ror8(quad);
    }
    return column;
}

TINYC_HANDED void *tinyc_put_pair_padding_s8(void *to, int32_t padding, int32_t size)
{
    const uint32_t pair = ((uint32_t)padding & 0xffffU) * 0x10001U;
    uint32_t *column = to;

    for (; size > 0; size -= 4, column += 4) {
        column[0] = pair;
        column[2] = pair;
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

/* Inputs of a window with what fills up a column: a multiple of twice the `lanes`. */
TINYC_INLINE int32_t tinyc_columns_depth(const struct tinyc_window *w, int32_t lanes)
{
    return (w->kernel.h * w->kernel.w * w->in.c + 2 * lanes - 1) / (2 * lanes) * (2 * lanes);
}

/* The windows of `count` (1 to `lanes`) pixels of the output from `first`. scratch: the columns
 * and, where a pixel's inputs are no whole words, a window as it lies in the image, then what fills
 * it up, which meets weights of 0. */
TINYC_INLINE void tinyc_columns(uint8_t *scratch, const void *in, int32_t bytes, int32_t lanes,
                                int32_t first, int32_t count, const struct tinyc_window *w,
                                int32_t padding)
{
    tinyc_put *const put = bytes == 2   ? tinyc_put_column_s16
                           : lanes == 4 ? tinyc_put_column_s8
                                        : tinyc_put_pair_s8;
    tinyc_put_padding *const put_padding = bytes == 2   ? tinyc_put_column_padding_s16
                                           : lanes == 4 ? tinyc_put_column_padding_s8
                                                        : tinyc_put_pair_padding_s8;
    const int32_t depth = tinyc_columns_depth(w, lanes);
    uint32_t *column = (uint32_t *)(void *)scratch;
    int8_t *const patch = (int8_t *)(column + lanes * depth / 2);
    const int32_t size = w->in.c * bytes;

    for (int32_t pixel = first; pixel < first + count; pixel++, column++) {
        const int32_t oy = pixel / w->out.w;
        const int32_t ox = pixel % w->out.w;
        if (size % 4 != 0) {
            tinyc_gather(patch, in, bytes, oy, ox, w, padding, tinyc_put_bytes,
                         tinyc_put_padding_bytes);
            (void)put(column, patch, depth * bytes);
        } else if (tinyc_is_pointwise(w)) {
            (void)put(column, (const int8_t *)in + pixel * size, size);
        } else {
            tinyc_gather(column, in, bytes, oy, ox, w, padding, put, put_padding);
        }
    }
}

#endif
