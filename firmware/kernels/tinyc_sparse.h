/* Layers of whose weights those that are zero are left out: eight pixels at a time.
 *
 * columns: for each input four words, each of two pixels: the lower part of a word is the first's,
 *          the upper one the second's;
 * entries: for each channel how many entries it has, one at least, and then these: the weight,
 * times 2^8, and how many inputs the entry's own lies behind that of the entry before (the first:
 *          behind the first input), 255 at most, so that some have no weight. Another one follows
 *          those of the last channel. */
#ifndef TINYC_SPARSE_H
#define TINYC_SPARSE_H

#include "tinyc_gather.h"
#include "tinyc_requant.h"

#define TINYC_SPARSE_PIXELS 8

/* Eight pixels of the channels of `table`, up to `table_end`. half: 1 + 2 * the output's zero
 * point; out: the channels of the first pixel; step: bytes from there to those of the next. */
typedef void tinyc_sparse_tile(const uint16_t *entries, const uint32_t *columns,
                               const int32_t *table, const int32_t *table_end, int32_t half,
                               int8_t *out, int32_t step);

/* What lays out columns: `size` inputs of a word's first pixel, of its second one, which are added,
 * and of two that lie `step` bytes apart. */
struct tinyc_sparse_put {
    tinyc_put *lower, *upper;
    tinyc_put_padding *lower_padding, *upper_padding;
    uint32_t *(*both)(uint32_t *column, const int8_t *from, int32_t step, int32_t size);
};

/* The functions of words x0 + offset + 2^shift * x1. */
#define TINYC_DEFINE_SPARSE_PUT(name, offset, shift)                                              \
    TINYC_HANDED void *name##_lower(void *to, const int8_t *from, int32_t size)                   \
    {                                                                                             \
        uint32_t *column = to;                                                                    \
        for (int32_t k = 0; k < size; k++, column += TINYC_SPARSE_PIXELS / 2) {                   \
            *column = (uint32_t)(from[k] + (offset));                                             \
        }                                                                                         \
        return column;                                                                            \
    }                                                                                             \
    TINYC_HANDED void *name##_upper(void *to, const int8_t *from, int32_t size)                   \
    {                                                                                             \
        uint32_t *column = to;                                                                    \
        for (int32_t k = 0; k < size; k++, column += TINYC_SPARSE_PIXELS / 2) {                   \
            *column += (uint32_t)from[k] << (shift);                                              \
        }                                                                                         \
        return column;                                                                            \
    }                                                                                             \
    TINYC_HANDED void *name##_lower_padding(void *to, int32_t padding, int32_t size)              \
    {                                                                                             \
        uint32_t *column = to;                                                                    \
        for (int32_t k = 0; k < size; k++, column += TINYC_SPARSE_PIXELS / 2) {                   \
            *column = (uint32_t)(padding + (offset));                                             \
        }                                                                                         \
        return column;                                                                            \
    }                                                                                             \
    TINYC_HANDED void *name##_upper_padding(void *to, int32_t padding, int32_t size)              \
    {                                                                                             \
        uint32_t *column = to;                                                                    \
        for (int32_t k = 0; k < size; k++, column += TINYC_SPARSE_PIXELS / 2) {                   \
            *column += (uint32_t)padding << (shift);                                              \
        }                                                                                         \
        return column;                                                                            \
    }                                                                                             \
    static TINYC_SHARED uint32_t *name##_both(uint32_t *column, const int8_t *from, int32_t step, \
                                              int32_t size)                                       \
    {                                                                                             \
        const int8_t *const second = from + step;                                                 \
        TINYC_UNROLL(8)                                                                           \
        for (int32_t k = 0; k < size; k++, column += TINYC_SPARSE_PIXELS / 2) {                   \
            *column = (uint32_t)(from[k] + (offset)) + ((uint32_t)second[k] << (shift));          \
        }                                                                                         \
        return column;                                                                            \
    }                                                                                             \
    static const struct tinyc_sparse_put name = {                                                 \
        name##_lower, name##_upper, name##_lower_padding, name##_upper_padding, name##_both,      \
    };

/* Both windows of pixel `pixel` and the next one, where they lie inside of the image from its left
 * to its right: 0 where they do not. */
TINYC_INLINE int tinyc_sparse_two(uint32_t *to, const int8_t *in, int32_t pixel,
                                  const struct tinyc_window *w, int32_t input_zero,
                                  const struct tinyc_sparse_put *put)
{
    const int32_t oy = pixel / w->out.w, ox = pixel % w->out.w;
    const int32_t y0 = oy * w->stride.h - w->padding.top;
    const int32_t x0 = ox * w->stride.w - w->padding.left;
    const int32_t size = w->kernel.w * w->in.c;

    if (tinyc_is_pointwise(w)) {
        (void)put->both(to, in + pixel * w->in.c, w->in.c, w->in.c);
        return 1;
    }
    if (ox + 1 == w->out.w || w->dilation.w != 1 ||
        !tinyc_are_inside(x0, w->kernel.w + w->stride.w, w->in.w)) {
        return 0;
    }
    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        const int32_t y = y0 + ky * w->dilation.h;
        if (tinyc_is_inside(y, w->in.h)) {
            to = put->both(to, in + (y * w->in.w + x0) * w->in.c, w->stride.w * w->in.c, size);
        } else {
            (void)put->lower_padding(to, input_zero, size);
            to = put->upper_padding(to, input_zero, size);
        }
    }
    return 1;
}

/* The columns of `count` pixels, one to eight, from `first` on. */
TINYC_INLINE void tinyc_sparse_columns(uint32_t *columns, const int8_t *in, int32_t first,
                                       int32_t count, const struct tinyc_window *w,
                                       int32_t input_zero, const struct tinyc_sparse_put *put)
{
    for (int32_t i = 0; i < count; i += 2, columns++) {
        const int32_t pixel = first + i;
        if (i + 1 < count && tinyc_sparse_two(columns, in, pixel, w, input_zero, put)) {
            continue;
        }
        tinyc_gather(columns, in, 1, pixel / w->out.w, pixel % w->out.w, w, input_zero, put->lower,
                     put->lower_padding);
        if (i + 1 < count) {
            tinyc_gather(columns, in, 1, (pixel + 1) / w->out.w, (pixel + 1) % w->out.w, w,
                         input_zero, put->upper, put->upper_padding);
        }
    }
}

struct tinyc_sparse_layer {
    const uint16_t *entries;
    const int32_t *table, *table_end;
    int32_t depth;
    int32_t zero_point, low, high;
};

/* scratch: the columns, then the outputs of eight pixels, of which the last ones may be no
 * pixels of the image. */
TINYC_INLINE void tinyc_conv2d_s8_sparse(const int8_t *in, int8_t *out, uint8_t *scratch,
                                         const struct tinyc_window *w,
                                         const struct tinyc_sparse_layer *layer, int32_t input_zero,
                                         const struct tinyc_sparse_put *put,
                                         tinyc_sparse_tile *tile)
{
    const int32_t pixels = w->out.h * w->out.w;
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    int8_t *const apart = (int8_t *)(columns + TINYC_SPARSE_PIXELS / 2 * layer->depth);

    for (int32_t first = 0; first < pixels; first += TINYC_SPARSE_PIXELS) {
        const int32_t left = pixels - first;
        const int32_t count = left < TINYC_SPARSE_PIXELS ? left : TINYC_SPARSE_PIXELS;
        const int32_t bytes = count * w->out.c;
        int8_t *const to = out + first * w->out.c;
        int8_t *const made = count < TINYC_SPARSE_PIXELS ? apart : to;
        tinyc_sparse_columns(columns, in, first, count, w, input_zero, put);
        tile(layer->entries, columns, layer->table, layer->table_end, 1 + 2 * layer->zero_point,
             made, w->out.c);
        if (made != to) {
            memcpy(to, made, (size_t)bytes);
        }
        tinyc_limit_s8(to, bytes, layer->low, layer->high);
    }
}

#endif
