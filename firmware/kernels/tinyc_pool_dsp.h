/* Maximum and average pooling of int8, four channels at a time, by the DSP extension. */
#ifndef TINYC_POOL_DSP_H
#define TINYC_POOL_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_pool.h"

/* The window of four channels from `in` on, a byte each. Sums are halfwords: an average is of 256
 * pixels at most. */
TINYC_INLINE uint32_t tinyc_pool4_window(const int8_t *in, struct tinyc_span rows,
                                         struct tinyc_span columns,
                                         const struct tinyc_window *window,
                                         enum tinyc_pooling pooling)
{
    uint32_t best = 0x80808080U, even = 0, odd = 0;

    for (int32_t y = rows.first; y < rows.end; y++) {
        TINYC_UNROLL(2)
        for (int32_t x = columns.first; x < columns.end; x++) {
            const uint32_t pixel = tinyc_load4(in + (y * window->in.w + x) * window->in.c);
            if (pooling == TINYC_MAXIMUM) {
                best = tinyc_max4(best, pixel);
            } else {
                even = tinyc_sxtab16(even, pixel);
                odd = tinyc_sxtab16_ror8(odd, pixel);
            }
        }
    }
    if (pooling == TINYC_MAXIMUM) {
        return best;
    }
    const int32_t count = tinyc_pixels(rows, columns);
    return tinyc_pack4(tinyc_average((int32_t)(even << 16) >> 16, count, pooling),
                       tinyc_average((int32_t)(odd << 16) >> 16, count, pooling),
                       tinyc_average((int32_t)even >> 16, count, pooling),
                       tinyc_average((int32_t)odd >> 16, count, pooling));
}

/* tinyc_pool_s8 of four channels and more, see tinyc_overlap. */
TINYC_INLINE void tinyc_pool_s8_dsp(const int8_t *in, int8_t *out,
                                    const struct tinyc_window *window, enum tinyc_pooling pooling,
                                    int32_t low, int32_t high)
{
    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const struct tinyc_span rows = tinyc_seen_rows(window, oy);
            for (int32_t ox = 0; ox < window->out.w; ox++, out += window->in.c) {
                const struct tinyc_span columns = tinyc_seen_columns(window, ox);
                for (int32_t c = 0; c < window->in.c; c += 4) {
                    const int32_t channel = c - tinyc_overlap(c, window->in.c);
                    uint32_t y = tinyc_pool4_window(in + channel, rows, columns, window, pooling);
                    if (low != INT8_MIN || high != INT8_MAX) {
                        y = tinyc_clamp4(y, ((uint32_t)low & 0xffU) * 0x1010101U,
                                         ((uint32_t)high & 0xffU) * 0x1010101U);
                    }
                    memcpy(out + channel, &y, 4);
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
