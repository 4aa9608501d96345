/* Softmax of int8, exact with TFLite's reference kernel. */
#ifndef TINYC_SOFTMAX_H
#define TINYC_SOFTMAX_H

#include "tinyc_reciprocal.h"
#include "tinyc_requant.h"

/* table: exp(-i) * 2^31 of each distance i of a number to the greatest of its row. `out` may be
 * `in`. */
TINYC_INLINE void tinyc_softmax_s8(const int8_t *in, int8_t *out, const int32_t *table,
                                   int32_t rows, int32_t depth)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        int32_t greatest = in[0];
        for (int32_t i = 1; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        int32_t sum = 0;
        for (int32_t i = 0; i < depth; i++) {
            sum += tinyc_round_shift(table[greatest - in[i]], 12);
        }

        int32_t shift;
        const int32_t scale = tinyc_reciprocal(sum, &shift);
        if (depth >= 512 && shift > 8) {
            /* The sum is 512 or more: no probability reaches half of 1/256. */
            memset(out, -128, (size_t)depth);
            continue;
        }
        for (int32_t i = 0; i < depth; i++) {
            const int32_t part = tinyc_high_mul(scale, table[greatest - in[i]]);
            out[i] = (int8_t)tinyc_clamp(tinyc_round_shift(part, shift + 23) - 128, -128, 127);
        }
    }
}

#endif
