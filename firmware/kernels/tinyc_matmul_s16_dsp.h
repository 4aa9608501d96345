/* Matrix products of int16 on cores with the DSP extension, two columns at a time.
 * scratch: the columns of b, then a row of a, where their factors do not lie side by side. */
#ifndef TINYC_MATMUL_S16_DSP_H
#define TINYC_MATMUL_S16_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_matmul.h"

/* sums[0] and sums[1]: of a row with two columns. */
TINYC_INLINE void tinyc_dot_pair_wide(const int16_t *row, const int16_t *first,
                                      const int16_t *second, int32_t depth, int64_t *sums)
{
    const int16_t *const end = row + depth / 2 * 2;
    int64_t a = 0;
    int64_t b = 0;

    TINYC_UNROLL(4)
    for (; row != end; row += 2, first += 2, second += 2) {
        const uint32_t x = tinyc_load_pair(row);
        a = tinyc_smlald(x, tinyc_load_pair(first), a);
        b = tinyc_smlald(x, tinyc_load_pair(second), b);
    }
    if (depth % 2 != 0) {
        a += (int64_t)*row * *first;
        b += (int64_t)*row * *second;
    }
    sums[0] = a;
    sums[1] = b;
}

/* `count` vectors of factors, `next` apart, side by side at `to`. */
TINYC_INLINE void tinyc_gather_factors(int16_t *to, const int16_t *from, int32_t count,
                                       int32_t next, int32_t step, int32_t depth)
{
    for (int32_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < depth; k++) {
            *to++ = from[i * next + k * step];
        }
    }
}

TINYC_INLINE void tinyc_matmul_s16_dsp(const int16_t *a, const int16_t *b, int16_t *out,
                                       uint8_t *scratch, const int32_t *starts,
                                       const struct tinyc_matmul *shape,
                                       const struct tinyc_matmul_scale *scale)
{
    const int32_t depth = shape->depth;
    int16_t *const columns = (int16_t *)(void *)scratch;
    int16_t *const row = columns + (shape->b_step != 1 ? shape->columns * depth : 0);

    for (int32_t n = 0; n < shape->batches; n++) {
        const int16_t *x = a + tinyc_matmul_start(starts, shape, n, 0);
        const int16_t *y = b + tinyc_matmul_start(starts, shape, n, 1);
        if (shape->b_step != 1) {
            tinyc_gather_factors(columns, y, shape->columns, shape->b_column, shape->b_step, depth);
            y = columns;
        }
        for (int32_t i = 0; i < shape->rows; i++, x += shape->a_row) {
            const int16_t *factors = x;
            if (shape->a_step != 1) {
                tinyc_gather_factors(row, x, 1, 0, shape->a_step, depth);
                factors = row;
            }
            for (int32_t j = 0; j < shape->columns; j += 2) {
                const int16_t *const first = y + j * depth;
                const int32_t count = j + 1 < shape->columns ? 2 : 1;
                int64_t sums[2];
                tinyc_dot_pair_wide(factors, first, first + (count - 1) * depth, depth, sums);
                for (int32_t k = 0; k < count; k++) {
                    const int32_t z = tinyc_requant_wide(sums[k], scale->multiplier, scale->shift);
                    *out++ = (int16_t)tinyc_clamp(z, scale->low, scale->high);
                }
            }
        }
    }
}

#endif
