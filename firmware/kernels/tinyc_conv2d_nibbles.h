/* Convolution of two pixels with all channels, four of them at a time, of weights of 4 or 2 bits.
 */
#ifndef TINYC_CONV2D_NIBBLES_H
#define TINYC_CONV2D_NIBBLES_H

#include "tinyc_conv2d_halves.h"
#include "tinyc_input_sums.h"
#include "tinyc_nibbles.h"

/* As tinyc_halves_layer. bits: of a weight; offset: what was added to weights, times what the tile
 * makes outputs of. */
struct tinyc_nibbles_layer {
    const int32_t *weights;
    const int32_t *table;
    int32_t channels, depth;
    int32_t zero_point, low, high;
    int32_t bits, offset;
};

/* The outputs of one or two pixels. sums: those of their inputs. */
TINYC_INLINE void tinyc_nibbles_pixels(const struct tinyc_nibbles_layer *layer,
                                       const int16_t *columns, const int32_t *sums, int8_t *out,
                                       int32_t pixels, tinyc_nibbles_tile *tile)
{
    const int32_t half = 1 + 2 * layer->zero_point;
    const int32_t skip = tinyc_nibbles_skip(layer->depth, layer->bits);
    const int16_t *const columns_end = columns + 2 * layer->depth;
    const int32_t to_second = pixels == 2 ? layer->channels : 0;
    const int32_t whole = layer->channels / 4 * 4;
    const int32_t *const table_end = layer->table + 3 * whole;
    const int32_t first = (int32_t)((uint32_t)sums[0] * (uint32_t)layer->offset);
    const int32_t second = (int32_t)((uint32_t)sums[1] * (uint32_t)layer->offset);

    tile(layer->weights, columns, columns_end, skip, layer->table, table_end, half, out, to_second,
         first, second);
    if (whole != layer->channels) {
        tile(layer->weights + whole * layer->bits / 8 * layer->depth / 4, columns, columns_end,
             skip, table_end, table_end + 12, half, out + layer->channels - 4, to_second, first,
             second);
    }
    if (layer->low != INT8_MIN || layer->high != INT8_MAX) {
        tinyc_clamp_bytes(out, pixels * layer->channels, layer->low, layer->high);
    }
}

/* scratch: tinyc_columns of two windows, and behind them what tinyc_sum_columns makes. */
TINYC_INLINE void tinyc_conv2d_s8_nibbles(const int8_t *in, int8_t *out, uint8_t *scratch,
                                          const struct tinyc_window *w,
                                          const struct tinyc_nibbles_layer *layer,
                                          int32_t input_zero, int32_t columns_bytes,
                                          tinyc_nibbles_tile *tile)
{
    const int32_t pixels = w->out.h * w->out.w;
    int32_t *const column_sums = (int32_t *)(void *)(scratch + columns_bytes);

    for (int32_t first = 0; first < pixels; first += 2) {
        const int32_t count = first + 2 <= pixels ? 2 : 1;
        int32_t sums[2] = {0, 0};
        tinyc_sum_windows(sums, column_sums, in, first, count, w, input_zero);
        tinyc_pair_columns(scratch, in, first, count, w, input_zero);
        tinyc_nibbles_pixels(layer, (const int16_t *)(const void *)scratch, sums,
                             out + first * w->out.c, count, tile);
    }
}

#endif
