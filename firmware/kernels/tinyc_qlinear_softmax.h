/* Softmax of int8, computed in float32. `out` may be `in`. */
#ifndef TINYC_QLINEAR_SOFTMAX_H
#define TINYC_QLINEAR_SOFTMAX_H

#include "tinyc_nearest_even.h"
#include "tinyc_requant.h"

/* powers: of each distance to the greatest; steps: how many of the output's make 1. */
TINYC_INLINE void tinyc_qlinear_softmax(const int8_t *in, int8_t *out, const float *powers,
                                        int32_t rows, int32_t depth, float steps,
                                        int32_t zero_point)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        int32_t greatest = in[0];
        for (int32_t i = 1; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        float sum = 0.0f;
        for (int32_t i = 0; i < depth; i++) {
            sum += powers[greatest - in[i]];
        }

        for (int32_t i = 0; i < depth; i++) {
            const int32_t y = tinyc_nearest_even(powers[greatest - in[i]] * steps / sum);
            out[i] = (int8_t)tinyc_clamp(y + zero_point, INT8_MIN, INT8_MAX);
        }
    }
}

#endif
