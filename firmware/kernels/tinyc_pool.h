/* Maximum and average pooling of int8 and int16. */
#ifndef TINYC_POOL_H
#define TINYC_POOL_H

#include "tinyc_requant.h"
#include "tinyc_window.h"

/* An average is rounded half away from zero; of int8 in the place of uint8, whose values are 128
 * more, half upwards. */
enum tinyc_pooling { TINYC_MAXIMUM, TINYC_AVERAGE, TINYC_AVERAGE_UNSIGNED };

TINYC_INLINE int32_t tinyc_average(int32_t sum, int32_t count, enum tinyc_pooling pooling)
{
    if (pooling == TINYC_AVERAGE_UNSIGNED) {
        return (sum + 128 * count + count / 2) / count - 128;
    }
    return tinyc_mean(sum, count);
}

/* The function `name` of images of the type `element`. Every window sees a pixel, and int32_t
 * holds the sum of those that it sees. */
#define TINYC_DEFINE_POOL(name, element)                                                          \
    TINYC_INLINE int32_t name##_window(                                                           \
        const element *in, int32_t channel, struct tinyc_span rows, struct tinyc_span columns,    \
        const struct tinyc_window *window, enum tinyc_pooling pooling)                            \
    {                                                                                             \
        int32_t best = in[(rows.first * window->in.w + columns.first) * window->in.c + channel];  \
        int32_t sum = 0;                                                                          \
                                                                                                  \
        for (int32_t y = rows.first; y < rows.end; y++) {                                         \
            const element *at = in + (y * window->in.w + columns.first) * window->in.c + channel; \
            for (int32_t left = columns.end - columns.first;; at += window->in.c) {               \
                const int32_t pixel = *at;                                                        \
                best = pixel > best ? pixel : best;                                               \
                sum += pixel;                                                                     \
                if (--left == 0) {                                                                \
                    break; /* before `at` leaves the image */                                     \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
        if (pooling == TINYC_MAXIMUM) {                                                           \
            return best;                                                                          \
        }                                                                                         \
        return tinyc_average(sum, tinyc_pixels(rows, columns), pooling);                          \
    }                                                                                             \
                                                                                                  \
    TINYC_INLINE void name(const element *in, element *out, const struct tinyc_window *window,    \
                           enum tinyc_pooling pooling, int32_t low, int32_t high)                 \
    {                                                                                             \
        for (int32_t n = 0; n < window->in.n; n++) {                                              \
            for (int32_t oy = 0; oy < window->out.h; oy++) {                                      \
                const struct tinyc_span rows = tinyc_seen_rows(window, oy);                       \
                for (int32_t ox = 0; ox < window->out.w; ox++) {                                  \
                    const struct tinyc_span columns = tinyc_seen_columns(window, ox);             \
                    for (int32_t c = 0; c < window->in.c; c++) {                                  \
                        const int32_t y = name##_window(in, c, rows, columns, window, pooling);   \
                        *out++ = (element)tinyc_clamp(y, low, high);                              \
                    }                                                                             \
                }                                                                                 \
            }                                                                                     \
            in += window->in.h * window->in.w * window->in.c;                                     \
        }                                                                                         \
    }

TINYC_DEFINE_POOL(tinyc_pool_s8, int8_t)

TINYC_DEFINE_POOL(tinyc_pool_s16, int16_t)

/* The function `name` of one image that comes in strips and has one window: strip->top rows of it
 * came before, and where the last ones have come, strip->out_h is 1. sums: of each channel. */
#define TINYC_DEFINE_POOL_STRIP(name, element)                                                \
    TINYC_INLINE void name(const element *in, element *out, int32_t *sums,                    \
                           const struct tinyc_images *image, const struct tinyc_strip *strip, \
                           enum tinyc_pooling pooling, int32_t low, int32_t high)             \
    {                                                                                         \
        if (strip->top == 0) {                                                                \
            memset(sums, 0, (size_t)image->c * sizeof *sums);                                 \
        }                                                                                     \
        for (int32_t pixels = strip->in_h * image->w; pixels > 0; pixels--) {                 \
            for (int32_t c = 0; c < image->c; c++) {                                          \
                sums[c] += *in++;                                                             \
            }                                                                                 \
        }                                                                                     \
        if (strip->out_h > 0) {                                                               \
            for (int32_t c = 0; c < image->c; c++) {                                          \
                const int32_t y = tinyc_average(sums[c], image->h * image->w, pooling);       \
                out[c] = (element)tinyc_clamp(y, low, high);                                  \
            }                                                                                 \
        }                                                                                     \
    }

TINYC_DEFINE_POOL_STRIP(tinyc_pool_strip_s8, int8_t)

TINYC_DEFINE_POOL_STRIP(tinyc_pool_strip_s16, int16_t)

#endif
