/* Average pooling of int8, whose numbers are added as float32: as integers where that is sure to
 * round to the same. */
#ifndef TINYC_QLINEAR_POOL_H
#define TINYC_QLINEAR_POOL_H

#include "tinyc_float_scale.h"
#include "tinyc_requant.h"
#include "tinyc_window.h"

/* offset: from int8 to the numbers of the file, of which out_zero is one; scale, right: of a sum of
 * so many `pixels`, as of tinyc_float_scale.h; window: how far off, in the last of 16 bits of
 * fraction, the product may be. */
struct tinyc_qlinear_pool {
    float in_scale, out_scale;
    int32_t in_zero, out_zero, offset;
    int32_t pixels, scale, right, window;
};

static TINYC_SHARED int32_t tinyc_qlinear_mean_exactly(const int8_t *in, struct tinyc_span rows,
                                                       struct tinyc_span columns,
                                                       const struct tinyc_window *window,
                                                       const struct tinyc_qlinear_pool *how)
{
    float sum = 0.0f;

    for (int32_t y = rows.first; y < rows.end; y++) {
        const int8_t *at = in + (y * window->in.w + columns.first) * window->in.c;
        for (int32_t left = columns.end - columns.first;; at += window->in.c) {
            sum += (float)(*at - how->in_zero) * how->in_scale;
            if (--left == 0) {
                break; /* before `at` leaves the image */
            }
        }
    }
    const float mean = sum / (float)tinyc_pixels(rows, columns);
    const float z = mean / how->out_scale + (float)how->out_zero;
    return tinyc_nearest_even(z < -1024.0f ? -1024.0f : (z > 1024.0f ? 1024.0f : z));
}

TINYC_INLINE int32_t tinyc_qlinear_mean(const int8_t *in, struct tinyc_span rows,
                                        struct tinyc_span columns,
                                        const struct tinyc_window *window,
                                        const struct tinyc_qlinear_pool *how)
{
    const int32_t pixels = tinyc_pixels(rows, columns);
    int32_t sum = -pixels * how->in_zero;

    for (int32_t y = rows.first; y < rows.end; y++) {
        const int8_t *at = in + (y * window->in.w + columns.first) * window->in.c;
        for (int32_t left = columns.end - columns.first;; at += window->in.c) {
            sum += *at;
            if (--left == 0) {
                break; /* before `at` leaves the image */
            }
        }
    }
    const int32_t mean = tinyc_scaled_fixed(sum, how->scale, how->right) + (1 << 15);
    if (pixels == how->pixels && ((mean + how->window) & 0xffff) >= 2 * how->window) {
        return (mean >> 16) + how->out_zero;
    }
    return tinyc_qlinear_mean_exactly(in, rows, columns, window, how);
}

TINYC_INLINE void tinyc_qlinear_pool(const int8_t *in, int8_t *out,
                                     const struct tinyc_window *window,
                                     const struct tinyc_qlinear_pool *how)
{
    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const struct tinyc_span rows = tinyc_seen_rows(window, oy);
            for (int32_t ox = 0; ox < window->out.w; ox++) {
                const struct tinyc_span columns = tinyc_seen_columns(window, ox);
                for (int32_t c = 0; c < window->in.c; c++) {
                    const int32_t mean = tinyc_qlinear_mean(in + c, rows, columns, window, how);
                    *out++ = (int8_t)tinyc_clamp(mean - how->offset, INT8_MIN, INT8_MAX);
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
