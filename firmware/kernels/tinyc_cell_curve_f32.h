/* What a cell of float32 makes of its sum. */
#ifndef TINYC_CELL_CURVE_F32_H
#define TINYC_CELL_CURVE_F32_H

#include "tinyc_base.h"
#include "tinyc_math.h"

enum tinyc_curve { TINYC_NONE, TINYC_TANH, TINYC_RELU, TINYC_RELU6, TINYC_RELU_N1_TO_1 };

TINYC_INLINE float tinyc_curve_f32(float x, enum tinyc_curve curve)
{
    if (curve == TINYC_NONE) {
        return x;
    }
    if (curve == TINYC_TANH) {
        return tanhf(x);
    }
    if (curve == TINYC_RELU_N1_TO_1) {
        x = x > 1.0f ? 1.0f : x;
        return x > -1.0f ? x : -1.0f;
    }
    if (curve == TINYC_RELU6) {
        x = x > 6.0f ? 6.0f : x;
    }
    return x > 0.0f ? x : 0.0f;
}

#endif
