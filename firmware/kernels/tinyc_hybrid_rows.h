/* Rows of float32 as int8 numbers of their own range, times int8 weights. */
#ifndef TINYC_HYBRID_ROWS_H
#define TINYC_HYBRID_ROWS_H

#include "tinyc_four_sums.h"
#include "tinyc_hybrid.h"

/* A row is about scale * (q - zero). */
struct tinyc_row {
    const int8_t *q;
    int32_t zero;
    float scale;
};

/* weights: of four channels together, as `sums` reads them; totals: of the weights of each channel,
 * in whole fours; scales: of the weights of the four. */
struct tinyc_rows {
    const int8_t *weights;
    const int32_t *totals;
    const float *scales;
    tinyc_four_sums *sums;
    int32_t depth;
};

/* q: where its numbers may lie. */
TINYC_INLINE struct tinyc_row tinyc_row(const float *x, int8_t *q, int32_t count, int asymmetric)
{
    struct tinyc_row row = {.q = q};
    row.scale = tinyc_quantize_input(x, q, count, asymmetric, &row.zero);
    return row;
}

/* The products of a row with the next four channels. */
TINYC_INLINE void tinyc_next_four(float *y, const struct tinyc_row *row, struct tinyc_rows *next)
{
    int32_t acc[4] = {0, 0, 0, 0};

    next->weights = next->sums(acc, row->q, next->weights, next->depth);
    for (int32_t i = 0; i < 4; i++) {
        const int32_t sum = acc[i] - row->zero * *next->totals++;
        y[i] = (float)sum * (row->scale * next->scales[i]);
    }
}

#endif
