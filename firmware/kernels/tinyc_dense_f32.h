/* Fully connected layers of float32; weights: row by row. */
#ifndef TINYC_DENSE_F32_H
#define TINYC_DENSE_F32_H

#include "tinyc_clamp_f32.h"
#include "tinyc_dot_f32.h"

TINYC_INLINE void tinyc_dense_f32(const float *in, float *out, const float *weights,
                                  const float *bias, int32_t batches, int32_t depth,
                                  int32_t channels, float low, float high)
{
    for (int32_t b = 0; b < batches; b++, in += depth) {
        for (int32_t o = 0; o < channels; o++) {
            const float sum = tinyc_dot_f32(0.0f, in, weights + o * depth, depth);
            *out++ = tinyc_clamp_f32(sum + bias[o], low, high);
        }
    }
}

#endif
