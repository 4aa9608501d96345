/* Element-wise functions of float32 that need no C library. */
#ifndef TINYC_ARITHMETIC_F32_H
#define TINYC_ARITHMETIC_F32_H

#include "tinyc_base.h"

TINYC_INLINE float tinyc_negate_f32(float x)
{
    return -x;
}

TINYC_INLINE float tinyc_square_f32(float x)
{
    return x * x;
}

/* Of what is no number, that. */
TINYC_INLINE float tinyc_sign_f32(float x)
{
    return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x);
}

TINYC_INLINE float tinyc_squared_difference_f32(float x, float y)
{
    return tinyc_square_f32(x - y);
}

TINYC_INLINE float tinyc_maximum_f32(float x, float y)
{
    return x > y ? x : y;
}

TINYC_INLINE float tinyc_minimum_f32(float x, float y)
{
    return x < y ? x : y;
}

/* What is no number stays so. */
TINYC_INLINE float tinyc_relu_f32(float x)
{
    return x < 0.0f ? 0.0f : x;
}

TINYC_INLINE float tinyc_leaky_relu_f32(float x, float slope)
{
    return x > 0.0f ? x : x * slope;
}

TINYC_INLINE float tinyc_hard_swish_f32(float x)
{
    const float least = x + 3.0f < 0.0f ? 0.0f : x + 3.0f;
    return x * (least > 6.0f ? 6.0f : least) / 6.0f;
}

#endif
