/* Convolution of two pixels with all channels, four of them at a time, of weights of 4 or 2 bits.
 */
#ifndef TINYC_CONV2D_NIBBLES_H
#define TINYC_CONV2D_NIBBLES_H

#include "tinyc_gather.h"
#include "tinyc_nibbles.h"
#include "tinyc_summed_columns.h"

/* As tinyc_halves_layer, of weights in the order of tinyc_summed_columns.h. bits: of a weight;
 * offset: what was added to weights, times what the tile makes outputs of; pairs: of pixels, up to
 * so many there are windows of at a time. */
struct tinyc_nibbles_layer {
    const int32_t *weights;
    const int32_t *table;
    int32_t channels, depth;
    int32_t zero_point, low, high;
    int32_t bits, offset, pairs;
};

/* The outputs of one or two pixels. second_at: words from the columns of the first one to those of
 * the second; sums: those of their inputs. */
TINYC_INLINE void tinyc_nibbles_pixels(const struct tinyc_nibbles_layer *layer,
                                       const uint32_t *pair, int32_t second_at, const int32_t *sums,
                                       int8_t *out, int32_t pixels, tinyc_nibbles_tile *tile)
{
    const int32_t every = TINYC_NIBBLES_EVERY(layer->bits);
    const int16_t *const columns =
        (const int16_t *)(const void *)(pair + (every == 1 ? second_at : 0));
    const int16_t *const columns_end = columns + every * layer->depth;
    const int32_t other = every == 1 ? -4 * second_at : 4 * second_at;
    const int32_t half = 1 + 2 * layer->zero_point;
    const int32_t skip = tinyc_nibbles_skip(layer->depth, layer->bits);
    const int32_t to_second = pixels == 2 ? layer->channels : 0;
    const int32_t whole = layer->channels / 4 * 4;
    const int32_t *const table_end = layer->table + 3 * whole;
    const int32_t first = (int32_t)((uint32_t)sums[0] * (uint32_t)layer->offset);
    const int32_t second = (int32_t)((uint32_t)sums[1] * (uint32_t)layer->offset);

    tile(layer->weights, columns, columns_end, skip, layer->table, table_end, half, out, to_second,
         first, second, other);
    if (whole != layer->channels) {
        tile(layer->weights + whole * layer->bits / 8 * layer->depth / 4, columns, columns_end,
             skip, table_end, table_end + 12, half, out + layer->channels - 4, to_second, first,
             second, other);
    }
    if (layer->low != INT8_MIN || layer->high != INT8_MAX) {
        tinyc_clamp_bytes(out, pixels * layer->channels, layer->low, layer->high);
    }
}

TINYC_INLINE int32_t tinyc_total(const int32_t *sums, int32_t count)
{
    uint32_t total = 0;

    TINYC_UNROLL(5)
    for (int32_t i = 0; i < count; i++) {
        total += (uint32_t)sums[i];
    }
    return (int32_t)total;
}

/* scratch: the windows of the pixels that there are at a time; memory for a column of the image
 * whose pixels are no multiple of four; and the sums of the columns that these windows see. */
TINYC_INLINE void tinyc_conv2d_s8_nibbles(const int8_t *in, int8_t *out, uint8_t *scratch,
                                          const struct tinyc_window *w,
                                          const struct tinyc_nibbles_layer *layer,
                                          int32_t input_zero, int32_t columns_bytes,
                                          tinyc_nibbles_tile *tile)
{
    const int32_t pixels = w->out.h * w->out.w, step = w->stride.w, taps = w->kernel.w;
    const int32_t every = TINYC_NIBBLES_EVERY(layer->bits);
    const int32_t depth = tinyc_column_depth(w), words = depth / 2 * every;
    const int overlap = taps > step && w->dilation.w == 1;
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    int8_t *const patch = (int8_t *)scratch + columns_bytes;
    int32_t *const sums = (int32_t *)(void *)(patch + (w->in.c % 4 != 0 ? depth : 0));

    for (int32_t first = 0, count; first < pixels; first += count) {
        /* A copy: of what a call may see, the compiler knows no more behind it. */
        const struct tinyc_window same = *w;
        const int32_t left = w->out.w - first % w->out.w;
        const int beside = overlap && left >= 2;
        /* Columns from one window to the next, and words from the first pixel's to the second's. */
        const int32_t across = beside ? step : taps;
        const int32_t second = every == 1 ? across * words : 1;
        count = beside               ? 2 * (left / 2 < layer->pairs ? left / 2 : layer->pairs)
                : pixels - first < 2 ? 1
                                     : 2;
        if (tinyc_is_pointwise(w) && w->in.c % 4 == 0) {
            /* Both at once: behind the first one's places those of the second begin. */
            const struct tinyc_summed_run pixel = {
                .size = w->in.c, .rows = 1, .gap = 4 * (second - words)};
            tinyc_put_run(columns, in + first * w->in.c, sums, sums + count, &pixel, every);
        } else if (beside) {
            const int32_t y = first / w->out.w * w->stride.h - w->padding.top;
            const int32_t x = first % w->out.w * step - w->padding.left;
            const int32_t run = (count - 1) * step + taps;
            tinyc_put_columns(columns, every == 1 ? run : step, sums, patch, in, y, x, run, &same,
                              input_zero, every);
        } else {
            const int32_t run = w->dilation.w == 1 ? taps : 1;
            for (int32_t i = 0; i < count; i++) {
                const int32_t y = (first + i) / w->out.w * w->stride.h - w->padding.top;
                const int32_t x = (first + i) % w->out.w * step - w->padding.left;
                for (int32_t tap = 0; tap < taps; tap += run) {
                    tinyc_put_columns(columns + tap * words + i * second, run,
                                      sums + i * taps + tap, patch, in, y, x + tap * w->dilation.w,
                                      run, &same, input_zero, every);
                }
            }
        }
        for (int32_t pixel = 0; pixel < count; pixel += 2) {
            const int32_t *const seen = sums + pixel * step;
            const int32_t totals[2] = {tinyc_total(seen, taps), tinyc_total(seen + across, taps)};
            const uint32_t *const pair = columns + pixel * step * words;
            tinyc_nibbles_pixels(layer, pair, second, totals, out + (first + pixel) * w->out.c,
                                 count - pixel < 2 ? 1 : 2, tile);
        }
    }
}

#endif
