/* Softmax of float32, and its logarithm. `out` may be `in`. */
#ifndef TINYC_SOFTMAX_F32_H
#define TINYC_SOFTMAX_F32_H

#include "tinyc_base.h"
#include "tinyc_math.h"

TINYC_INLINE void tinyc_softmax_f32(const float *in, float *out, int32_t rows, int32_t depth,
                                    float beta)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        float greatest = in[0];
        for (int32_t i = 1; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        float sum = 0.0f;
        for (int32_t i = 0; i < depth; i++) {
            out[i] = expf((in[i] - greatest) * beta);
            sum += out[i];
        }

        for (int32_t i = 0; i < depth; i++) {
            out[i] /= sum;
        }
    }
}

/* least: where the search for the greatest starts. */
TINYC_INLINE void tinyc_log_softmax_f32(const float *in, float *out, int32_t rows, int32_t depth,
                                        float least)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        float greatest = least;
        for (int32_t i = 0; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        float sum = 0.0f;
        for (int32_t i = 0; i < depth; i++) {
            sum += expf(in[i] - greatest);
        }

        const float shift = logf(sum);
        for (int32_t i = 0; i < depth; i++) {
            out[i] = in[i] - greatest - shift;
        }
    }
}

#endif
