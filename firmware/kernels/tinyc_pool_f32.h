/* Pooling of float32. */
#ifndef TINYC_POOL_F32_H
#define TINYC_POOL_F32_H

#include "tinyc_clamp_f32.h"
#include "tinyc_window.h"

enum tinyc_pooling_f32 { TINYC_MAXIMUM_F32, TINYC_AVERAGE_F32, TINYC_MEAN_SQUARE_F32 };

/* Of one channel: the average of a window's pixels inside of the image, or of their squares, or the
 * greatest, from `low` on; there what is no number is passed over. */
TINYC_INLINE float tinyc_pool_f32_window(const float *in, int32_t channel, struct tinyc_span rows,
                                         struct tinyc_span columns,
                                         const struct tinyc_window *window,
                                         enum tinyc_pooling_f32 pooling, float low, float high)
{
    float best = low;
    float sum = 0.0f;

    for (int32_t y = rows.first; y < rows.end; y++) {
        const float *at = in + (y * window->in.w + columns.first) * window->in.c + channel;
        for (int32_t left = columns.end - columns.first;; at += window->in.c) {
            const float pixel = *at;
            best = pixel > best ? pixel : best;
            sum += pooling == TINYC_MEAN_SQUARE_F32 ? pixel * pixel : pixel;
            if (--left == 0) {
                break; /* before `at` leaves the image */
            }
        }
    }
    if (pooling == TINYC_MAXIMUM_F32) {
        return best > high ? high : best;
    }
    return tinyc_clamp_f32(sum / (float)tinyc_pixels(rows, columns), low, high);
}

TINYC_INLINE void tinyc_pool_f32(const float *in, float *out, const struct tinyc_window *window,
                                 enum tinyc_pooling_f32 pooling, float low, float high)
{
    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const struct tinyc_span rows = tinyc_seen_rows(window, oy);
            for (int32_t ox = 0; ox < window->out.w; ox++) {
                const struct tinyc_span columns = tinyc_seen_columns(window, ox);
                for (int32_t c = 0; c < window->in.c; c++) {
                    *out++ =
                        tinyc_pool_f32_window(in, c, rows, columns, window, pooling, low, high);
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
