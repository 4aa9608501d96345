/* Convolution of two pixels with all channels, four of them at a time. */
#ifndef TINYC_CONV2D_HALVES_H
#define TINYC_CONV2D_HALVES_H

#include "tinyc_columns.h"
#include "tinyc_halves.h"
#include "tinyc_two_windows.h"

/* A layer of at least four channels; the last four of a count that is no multiple overlap those
 * before, in `weights` and `table` as well. */
struct tinyc_halves_layer {
    const int16_t *weights;
    const int32_t *table;
    int32_t channels, depth;
    int32_t zero_point, low, high;
};

/* The outputs of one or two pixels. */
TINYC_INLINE void tinyc_halves_pixels(const struct tinyc_halves_layer *layer,
                                      const int16_t *columns, int8_t *out, int32_t pixels,
                                      tinyc_halves_tile *tile)
{
    const int32_t half = 1 + 2 * layer->zero_point;
    const int32_t skip = tinyc_halves_skip(layer->depth / 2);
    const int16_t *const columns_end = columns + 2 * layer->depth;
    const int32_t to_second = pixels == 2 ? layer->channels : 0;
    const int32_t whole = layer->channels / 4 * 4;
    const int32_t *const table_end = layer->table + 3 * whole;

    tile(layer->weights, columns, columns_end, skip, layer->table, table_end, half, out, to_second);
    if (whole != layer->channels) {
        tile(layer->weights + whole / 2 * layer->depth, columns, columns_end, skip, table_end,
             table_end + 12, half, out + layer->channels - 4, to_second);
    }
    if (layer->low != INT8_MIN || layer->high != INT8_MAX) {
        tinyc_clamp_bytes(out, pixels * layer->channels, layer->low, layer->high);
    }
}

/* The columns of `count` pixels, one or two, from `first` on. */
TINYC_INLINE void tinyc_pair_columns(uint8_t *scratch, const int8_t *in, int32_t first,
                                     int32_t count, const struct tinyc_window *w,
                                     int32_t input_zero)
{
    const int32_t alone = w->stride.w * w->in.c, both = w->kernel.w * w->in.c - alone;

    if (TINYC_KNOWN(both > 0 && w->in.c % 16 == 0) && w->dilation.h == 1 && w->dilation.w == 1) {
        const struct tinyc_two_windows windows = {alone, both, w->kernel.h, w->in.w * w->in.c};
        const int32_t ox = first % w->out.w;
        const int32_t y0 = first / w->out.w * w->stride.h - w->padding.top;
        const int32_t x0 = ox * w->stride.w - w->padding.left;
        if (ox + 1 < w->out.w && tinyc_are_inside(y0, w->kernel.h, w->in.h) &&
            tinyc_are_inside(x0, w->kernel.w + w->stride.w, w->in.w) && !TINYC_SMALL) {
            tinyc_widen_two((uint32_t *)(void *)scratch, in + (y0 * w->in.w + x0) * w->in.c,
                            &windows);
            return;
        }
    }
    tinyc_columns(scratch, in, 1, 2, first, count, w, input_zero);
}

TINYC_INLINE void tinyc_conv2d_s8_halves(const int8_t *in, int8_t *out, uint8_t *scratch,
                                         const struct tinyc_window *w,
                                         const struct tinyc_halves_layer *layer, int32_t input_zero,
                                         tinyc_halves_tile *tile)
{
    const int32_t pixels = w->out.h * w->out.w;

    for (int32_t first = 0; first < pixels; first += 2) {
        const int32_t count = first + 2 <= pixels ? 2 : 1;
        tinyc_pair_columns(scratch, in, first, count, w, input_zero);
        tinyc_halves_pixels(layer, (const int16_t *)(const void *)scratch, out + first * w->out.c,
                            count, tile);
    }
}

#endif
