/* Convolution of four pixels with all channels, two of them at a time. */
#ifndef TINYC_CONV2D_DSP_H
#define TINYC_CONV2D_DSP_H

#include "tinyc_columns.h"
#include "tinyc_mac.h"

/* The function `name` that finishes by `finish`.
 * out: `pixels` (1 to 4) rows of `channels` bytes; depth: inputs of a pixel, a multiple of 8;
 * table: bias of each channel, and the two words that `finish` takes. */
#define TINYC_DEFINE_CONV_COLUMNS(name, finish)                                        \
    static TINYC_SHARED void name(const int8_t *weights, const int16_t *columns,       \
                                  const int32_t *table, int8_t *out, int32_t pixels,   \
                                  int32_t channels, int32_t depth, int32_t zero_point, \
                                  int32_t low, int32_t high)                           \
    {                                                                                  \
        for (int32_t c = 0; c < channels; c += 2) {                                    \
            int32_t acc[8];                                                            \
            const int8_t *const end = weights + 2 * depth;                             \
            tinyc_mac_2x4(weights, columns, table, acc, end);                          \
            weights = end;                                                             \
            for (int32_t k = 0; k < 2 && c + k < channels; k++) {                      \
                const int32_t *const a = acc + 4 * k;                                  \
                const int32_t first = table[3 * k + 1];                                \
                const int32_t second = table[3 * k + 2];                               \
                int8_t *to = out + c + k;                                              \
                for (int32_t p = 0; p < pixels; p++, to += channels) {                 \
                    *to = finish(a[p], first, second, zero_point, low, high);          \
                }                                                                      \
            }                                                                          \
            table += 6;                                                                \
        }                                                                              \
    }

TINYC_DEFINE_CONV_COLUMNS(tinyc_conv_columns, tinyc_finish_s8_dsp)

typedef void tinyc_columns_product(const int8_t *weights, const int16_t *columns,
                                   const int32_t *table, int8_t *out, int32_t pixels,
                                   int32_t channels, int32_t depth, int32_t zero_point, int32_t low,
                                   int32_t high);

/* table: with the input's zero point in the biases; `input_zero` is the padding. */
TINYC_INLINE void tinyc_conv2d_s8_dsp(const int8_t *in, int8_t *out, uint8_t *scratch,
                                      const int8_t *weights, const int32_t *table,
                                      const struct tinyc_window *w, int32_t input_zero,
                                      int32_t zero_point, int32_t low, int32_t high,
                                      tinyc_columns_product *product)
{
    const int32_t pixels = w->out.h * w->out.w;
    const int32_t depth = tinyc_columns_depth(w, 4);

    for (int32_t first = 0; first < pixels; first += 4) {
        const int32_t count = first + 4 <= pixels ? 4 : pixels - first;
        tinyc_columns(scratch, in, 1, 4, first, count, w, input_zero);
        product(weights, (const int16_t *)(const void *)scratch, table, out + first * w->out.c,
                count, w->out.c, depth, zero_point, low, high);
    }
}

#endif
