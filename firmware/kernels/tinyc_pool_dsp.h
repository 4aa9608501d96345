/* Maximum and average pooling of int8, four channels at a time, by the DSP extension. */
#ifndef TINYC_POOL_DSP_H
#define TINYC_POOL_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_pool.h"

/* Averages of four channels, a byte each. even, odd: their sums as halfwords, since an average is
 * of 256 pixels at most. */
TINYC_INLINE uint32_t tinyc_pool4_average(uint32_t even, uint32_t odd, int32_t count,
                                          enum tinyc_pooling pooling)
{
    return tinyc_pack4(tinyc_average((int32_t)(even << 16) >> 16, count, pooling),
                       tinyc_average((int32_t)(odd << 16) >> 16, count, pooling),
                       tinyc_average((int32_t)even >> 16, count, pooling),
                       tinyc_average((int32_t)odd >> 16, count, pooling));
}

/* Four channels within the layer's bounds to where they belong. */
TINYC_INLINE void tinyc_pool4_store(int8_t *out, uint32_t four, int32_t low, int32_t high)
{
    if (low != INT8_MIN || high != INT8_MAX) {
        four = tinyc_clamp4(four, ((uint32_t)low & 0xffU) * 0x1010101U,
                            ((uint32_t)high & 0xffU) * 0x1010101U);
    }
    memcpy(out, &four, 4);
}

/* The window of four channels from `in` on, a byte each. */
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
    return tinyc_pool4_average(even, odd, tinyc_pixels(rows, columns), pooling);
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
                    const uint32_t y =
                        tinyc_pool4_window(in + channel, rows, columns, window, pooling);
                    tinyc_pool4_store(out + channel, y, low, high);
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

/* tinyc_pool_strip_s8 of four channels and more. sums: two words of each four channels. */
TINYC_INLINE void tinyc_pool_strip_s8_dsp(const int8_t *in, int8_t *out, int32_t *sums,
                                          const struct tinyc_images *image,
                                          const struct tinyc_strip *strip,
                                          enum tinyc_pooling pooling, int32_t low, int32_t high)
{
    for (int32_t c = 0; c < image->c; c += 4, sums += 2) {
        const int32_t channel = c - tinyc_overlap(c, image->c);
        const int8_t *at = in + channel;
        uint32_t even = strip->top == 0 ? 0 : (uint32_t)sums[0];
        uint32_t odd = strip->top == 0 ? 0 : (uint32_t)sums[1];

        TINYC_UNROLL(2)
        for (int32_t left = strip->in_h * image->w; left > 0; left--) {
            const uint32_t pixel = tinyc_load4(at);
            even = tinyc_sxtab16(even, pixel);
            odd = tinyc_sxtab16_ror8(odd, pixel);
            at += image->c;
        }
        sums[0] = (int32_t)even;
        sums[1] = (int32_t)odd;
        if (strip->out_h > 0) {
            const uint32_t y = tinyc_pool4_average(even, odd, image->h * image->w, pooling);
            tinyc_pool4_store(out + channel, y, low, high);
        }
    }
}

#endif
