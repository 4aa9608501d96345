/* Vectors of int8, each divided by its length. */
#ifndef TINYC_L2_NORMALIZATION_H
#define TINYC_L2_NORMALIZATION_H

#include "tinyc_inverse_sqrt.h"
#include "tinyc_requant.h"

/* offset: what is added to each input; the sum of their squares fits 31 bits. `out` may be `in`. */
TINYC_INLINE void tinyc_l2_normalization_s8(const int8_t *in, int8_t *out, int32_t rows,
                                            int32_t depth, int32_t offset)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        int32_t squares = 0;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t x = in[i] + offset;
            squares += x * x;
        }

        int32_t right;
        const int32_t scale = tinyc_inverse_sqrt(squares, &right);
        for (int32_t i = 0; i < depth; i++) {
            const int32_t y = tinyc_requant2(in[i] + offset, scale, 7 - right);
            out[i] = (int8_t)tinyc_clamp(y, -128, 127);
        }
    }
}

#endif
