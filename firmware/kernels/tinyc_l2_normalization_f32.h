/* Vectors of float32, each divided by its length. */
#ifndef TINYC_L2_NORMALIZATION_F32_H
#define TINYC_L2_NORMALIZATION_F32_H

#include "tinyc_base.h"
#include "tinyc_math.h"

/* least: what a smaller length counts as. `out` may be `in`. */
TINYC_INLINE void tinyc_l2_normalization_f32(const float *in, float *out, int32_t rows,
                                             int32_t depth, float least)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        float squares = 0.0f;
        for (int32_t i = 0; i < depth; i++) {
            squares += in[i] * in[i];
        }

        const float length = sqrtf(squares);
        const float norm = length < least ? least : length;
        for (int32_t i = 0; i < depth; i++) {
            out[i] = in[i] / norm;
        }
    }
}

#endif
