/* Softmax of int8 to int8 or int16, exact with TFLite's reference kernel. */
#ifndef TINYC_SOFTMAX_H
#define TINYC_SOFTMAX_H

#include "tinyc_reciprocal.h"
#include "tinyc_requant.h"

/* table: exp(-i) * 2^31 of each distance i of a number to the greatest of its row; bits: of a
 * number of `out`, which may be `in` where they are 8. */
TINYC_INLINE void tinyc_softmax_s8(const int8_t *in, void *out, const int32_t *table, int32_t rows,
                                   int32_t depth, int32_t bits)
{
    int8_t *narrow = out;
    int16_t *wide = out;

    for (int32_t row = 0; row < rows; row++, in += depth, narrow += depth, wide += depth) {
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
        if (bits == 8 && depth >= 512 && shift > 8) {
            /* The sum is 512 or more: no probability reaches half of 1/256. */
            memset(narrow, -128, (size_t)depth);
            continue;
        }
        const int32_t right = shift + 31 - bits;
        const uint32_t half = 1U << (right - 1);
        TINYC_UNROLL(4)
        for (int32_t i = 0; i < depth; i++) {
            const uint32_t part = tinyc_high_positive(scale, table[greatest - in[i]]);
            const uint32_t y = (part + half) >> right;
            /* 1 is more than there is */
            const int32_t number = (int32_t)(y - (y >> bits)) - (1 << (bits - 1));
            if (bits == 8) {
                narrow[i] = (int8_t)number;
            } else {
                wide[i] = (int16_t)number;
            }
        }
    }
}

/* The table, of 256 numbers that begin with 2^31 - 1: each is that before it times ratio / 2^32,
 * and a step more. */
TINYC_INLINE void tinyc_softmax_powers(int32_t *table, const int16_t *steps, uint32_t ratio)
{
    int32_t power = INT32_MAX;

    TINYC_UNROLL(1)
    for (int32_t i = 0; i < 255; i++) {
        table[i] = power;
        power = (int32_t)((uint64_t)(uint32_t)power * ratio >> 32) + steps[i];
    }
    table[255] = power;
}

#endif
