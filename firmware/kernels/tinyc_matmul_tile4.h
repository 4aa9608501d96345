/* Matrix products of int8, four columns at a time.
 * scratch: the four columns' offsets, b as tinyc_tile4.h reads weights, and a row of a where its
 * factors do not lie side by side. */
#ifndef TINYC_MATMUL_TILE4_H
#define TINYC_MATMUL_TILE4_H

#include "tinyc_dot.h"
#include "tinyc_matmul.h"
#include "tinyc_tile4.h"

/* Four columns of b, of which `count` there are; offsets: what the zero points add to their sums.
 */
TINYC_INLINE int8_t *tinyc_pack_tile4(int8_t *to, int32_t *offsets, const int8_t *columns,
                                      int32_t count, const struct tinyc_matmul *shape,
                                      const struct tinyc_matmul_scale *scale)
{
    for (int32_t i = 0; i < 4; i++) {
        const int8_t *from = columns + (i < count ? i : 0) * shape->b_column;
        int32_t sum = 0;
        for (int32_t k = 0;; from += shape->b_step) {
            to[4 * k + i] = *from;
            sum += scale->b_zero - *from;
            if (++k == shape->depth) {
                break; /* before a pointer leaves its matrix */
            }
        }
        offsets[i] = scale->a_zero * sum;
    }
    return to + 4 * shape->depth;
}

TINYC_INLINE void tinyc_matmul_s8_tile4(const int8_t *a, const int8_t *b, int8_t *out,
                                        uint8_t *scratch, const int32_t *starts,
                                        const struct tinyc_matmul *shape,
                                        const struct tinyc_matmul_scale *scale)
{
    const int32_t tiles = (shape->columns + 3) / 4;
    int32_t *const offsets = (int32_t *)(void *)scratch;
    int8_t *const packed = (int8_t *)(offsets + 4 * tiles);
    int8_t *const row = packed + 4 * tiles * shape->depth;

    for (int32_t n = 0; n < shape->batches; n++) {
        const int8_t *x = a + tinyc_matmul_start(starts, shape, n, 0);
        const int8_t *const columns = b + tinyc_matmul_start(starts, shape, n, 1);
        int8_t *to = packed;
        for (int32_t j = 0; j < shape->columns; j += 4) {
            to = tinyc_pack_tile4(to, offsets + j, columns + j * shape->b_column,
                                  shape->columns - j, shape, scale);
        }
        for (int32_t i = 0; i < shape->rows; i++, x += shape->a_row) {
            const int8_t *from = x;
            if (shape->a_step != 1) {
                for (int32_t k = 0; k < shape->depth; k++) {
                    row[k] = x[k * shape->a_step];
                }
                from = row;
            }
            const int32_t excess = scale->b_zero * tinyc_sum_s8(from, shape->depth);
            const int8_t *tile = packed;
            for (int32_t j = 0; j < shape->columns; j += 4) {
                int32_t acc[4];
                tile = tinyc_tile4(acc, from, tile, shape->depth);
                for (int32_t k = 0; k < 4 && j + k < shape->columns; k++) {
                    const int32_t sum = tinyc_add_bias(acc[k] - excess, offsets[j + k]);
                    const int32_t y = tinyc_requant2(sum, scale->multiplier, scale->shift);
                    *out++ =
                        (int8_t)tinyc_clamp_offset(y, scale->zero_point, scale->low, scale->high);
                }
            }
        }
    }
}

#endif
