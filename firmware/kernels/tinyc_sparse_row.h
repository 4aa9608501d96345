/* One row of inputs after the other over the weights that are not zero, in plain C; entries and
 * table are those of tinyc_sparse_row_dsp.h, but right shifts are one more. */
#ifndef TINYC_SPARSE_ROW_H
#define TINYC_SPARSE_ROW_H

#include "tinyc_requant.h"

/* Two entries, which lie in a word. */
TINYC_INLINE const int8_t *tinyc_sparse_two_products(uint32_t word, const int8_t *x, int32_t *acc)
{
    x += word & 0xffU;
    *acc += *x * ((int32_t)(word << 16) >> 24);
    x += word >> 16 & 0xffU;
    *acc += *x * ((int32_t)word >> 24);
    return x;
}

/* The output of a sum under 2^30 by a right shift, rounded twice, halves away from zero, and once.
 */
typedef int32_t tinyc_sparse_scale(int32_t sum, int32_t multiplier, int32_t right);

TINYC_INLINE int32_t tinyc_sparse_scale_away(int32_t sum, int32_t multiplier, int32_t right)
{
    return tinyc_round_right(tinyc_high_product(sum, multiplier), right);
}

TINYC_INLINE int32_t tinyc_sparse_scale_once(int32_t sum, int32_t multiplier, int32_t right)
{
    return ((tinyc_high_word(sum, multiplier) >> (right - 1)) + 1) >> 1;
}

TINYC_INLINE void tinyc_dense_sparse(const int8_t *in, int8_t *out, const uint16_t *entries,
                                     const int32_t *table, int32_t rows, int32_t depth,
                                     int32_t channels, int32_t zero_point, int32_t low,
                                     int32_t high, tinyc_sparse_scale *scale)
{
    const int32_t *const table_end = table + 3 * channels;

    for (int32_t n = 0; n < rows; n++, in += depth) {
        const uint32_t *words = (const uint32_t *)(const void *)entries;
        for (const int32_t *channel = table; channel != table_end; channel += 3) {
            const uint32_t *const end = words + 2 * (channel[2] >> 8);
            const int8_t *x = in;
            int32_t acc = channel[0];
            for (; words != end; words += 2) {
                x = tinyc_sparse_two_products(words[0], x, &acc);
                x = tinyc_sparse_two_products(words[1], x, &acc);
            }
            const int32_t y = scale(acc, channel[1], channel[2] & 0xff) + zero_point;
            *out++ = (int8_t)tinyc_clamp(y, low, high);
        }
    }
}

#endif
