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
        TINYC_UNROLL(4)
        for (int32_t i = 1; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        uint32_t sum = 0;
        TINYC_UNROLL(4)
        for (int32_t i = 0; i < depth; i++) {
            sum += ((uint32_t)table[greatest - in[i]] + (1U << 11)) >> 12;
        }

        int32_t shift;
        int32_t scale = tinyc_reciprocal((int32_t)sum, &shift);
        TINYC_OPAQUE(scale);
        if (depth >= 512 && shift > 8) {
            /* The sum is 512 or more: no probability reaches half of 1/256. */
            memset(out, -128, (size_t)depth);
            continue;
        }
        const uint32_t half = 1U << (shift + 22);
        TINYC_UNROLL(4)
        for (int32_t i = 0; i < depth; i++) {
            const uint32_t part = tinyc_high_positive(scale, table[greatest - in[i]]);
            const uint32_t y = (part + half) >> (shift + 23);
            out[i] = (int8_t)((int32_t)(y - (y >> 8)) - 128); /* 256 is more than there is */
        }
    }
}

#endif
