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

    for (; !TINYC_SMALL && size >= 16; size -= 16, from += 16, column += 16) {
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

/* A window that lies in the image as it is, behind each other's rows. */
TINYC_INLINE void tinyc_copy_window(int8_t *patch, const int8_t *first, int32_t bytes,
                                    const struct tinyc_window *w)
{
    const int32_t size = w->kernel.w * w->in.c * bytes;

    TINYC_UNROLL(16)
    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        memcpy(patch + ky * size, first + ky * w->in.w * w->in.c * bytes, (size_t)size);
    }
}

/* Rows of `row` bytes each, three or more, `step` apart, `size` bytes in all. */
struct tinyc_short_rows {
    int32_t size, row, step;
};

/* Bytes k to k + 3 of rows from `first` on, of which a word may lie in two; 0 beyond the last.
 * Reads no byte before the first row and none behind the last. */
TINYC_INLINE uint32_t tinyc_load4_rows(const int8_t *first, int32_t k,
                                       const struct tinyc_short_rows *rows)
{
    const int32_t left = rows->row - k % rows->row;
    const int32_t beyond = k + 4 - rows->size;
    const int8_t *const at = first + k / rows->row * rows->step + k % rows->row;

    if (beyond > 0) {
        return tinyc_load4(at - beyond) >> (8 * beyond);
    }
    if (left >= 4) {
        return tinyc_load4(at);
    }
    const uint32_t mask = ((uint32_t)1 << (8 * left)) - 1U;
    return (tinyc_load4(at) & mask) | (tinyc_load4(at + rows->step - rows->row) & ~mask);
}

/* tinyc_put_pair_s8 written out, without loops, of up to so many inputs: less of pixels, as there
 * are many such layers. */
enum { TINYC_SHORT_WINDOW = 40, TINYC_SHORT_PIXEL = 16 };

TINYC_INLINE void tinyc_put_short_pair_s8(uint32_t *column, const int8_t *from, int32_t depth,
                                          const struct tinyc_short_rows *rows)
{
    TINYC_UNROLL(5)
    for (int32_t k = 0; k < depth / 8 * 8; k += 8) {
        const uint32_t first = tinyc_load4_rows(from, k, rows);
        const uint32_t second = tinyc_load4_rows(from, k + 4, rows);
        column[k] = tinyc_sxtb16(first);
        column[k + 2] = tinyc_sxtb16_ror8(first);
        column[k + 4] = tinyc_sxtb16(second);
        column[k + 6] = tinyc_sxtb16_ror8(second);
    }
    if (depth % 8 != 0) {
        const uint32_t last = tinyc_load4_rows(from, depth - 4, rows);
        column[depth - 4] = tinyc_sxtb16(last);
        column[depth - 2] = tinyc_sxtb16_ror8(last);
    }
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
    const int8_t *const image = in;
    const int32_t depth = tinyc_columns_depth(w, lanes);
    uint32_t *column = (uint32_t *)(void *)scratch;
    int8_t *const patch = (int8_t *)(column + lanes * depth / 2);
    const int32_t size = w->in.c * bytes;
    const int is_short =
        !TINYC_SMALL && bytes == 1 && lanes == 2 && TINYC_KNOWN(depth <= TINYC_SHORT_WINDOW);
    const struct tinyc_short_rows as_it_is = {depth, depth, 0};
    const struct tinyc_short_rows rows = {
        w->kernel.h * w->kernel.w * size,
        w->kernel.w * size,
        w->in.w * size,
    };

    for (int32_t pixel = first; pixel < first + count; pixel++, column++) {
        const int32_t oy = pixel / w->out.w;
        const int32_t ox = pixel % w->out.w;
        const int32_t y0 = oy * w->stride.h - w->padding.top;
        const int32_t x0 = ox * w->stride.w - w->padding.left;
        if (tinyc_is_pointwise(w) &&
            (size % 4 == 0 || (w->in.h * w->in.w - pixel) * size >= depth * bytes)) {
            /* What fills a column up is the next pixel. */
            if (!TINYC_SMALL && bytes == 1 && lanes == 2 &&
                TINYC_KNOWN(depth <= TINYC_SHORT_PIXEL)) {
                tinyc_put_short_pair_s8(column, image + pixel * size, depth, &as_it_is);
            } else {
                (void)put(column, image + pixel * size, depth * bytes);
            }
            continue;
        }
        if (size % 4 == 0) {
            tinyc_gather(column, in, bytes, oy, ox, w, padding, put, put_padding);
            continue;
        }
        if (w->dilation.h == 1 && w->dilation.w == 1 &&
            tinyc_are_inside(y0, w->kernel.h, w->in.h) &&
            tinyc_are_inside(x0, w->kernel.w, w->in.w) && !TINYC_SMALL) {
            if (is_short && rows.row > 2) {
                tinyc_put_short_pair_s8(column, image + (y0 * w->in.w + x0) * size, depth, &rows);
                continue;
            }
            tinyc_copy_window(patch, image + (y0 * w->in.w + x0) * size, bytes, w);
        } else {
            tinyc_gather(patch, in, bytes, oy, ox, w, padding, tinyc_put_bytes,
                         tinyc_put_padding_bytes);
        }
        if (is_short) {
            tinyc_put_short_pair_s8(column, patch, depth, &as_it_is);
        } else {
            (void)put(column, patch, depth * bytes);
        }
    }
}

#endif
