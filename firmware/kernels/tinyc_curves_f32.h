/* Element-wise functions of float32 by way of the C library's. */
#ifndef TINYC_CURVES_F32_H
#define TINYC_CURVES_F32_H

#include "tinyc_base.h"
#include "tinyc_math.h"

TINYC_INLINE float tinyc_rsqrt_f32(float x)
{
    return 1.0f / sqrtf(x);
}

TINYC_INLINE float tinyc_logistic_f32(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

TINYC_INLINE float tinyc_elu_f32(float x)
{
    return x < 0.0f ? expm1f(x) : x;
}

/* x times the normal distribution's integral up to x. */
TINYC_INLINE float tinyc_gelu_f32(float x)
{
    return 0.5f * x * erfcf(x * -0.70710677f); /* by the root of 1/2 */
}

/* The same by a tanh. */
TINYC_INLINE float tinyc_gelu_tanh_f32(float x)
{
    const float cubic = x + 0.044715f * x * x * x;
    return 0.5f * x * (1.0f + tanhf(0.7978846f * cubic)); /* by the root of 2 / pi */
}

TINYC_INLINE float tinyc_floor_div_f32(float x, float y)
{
    return (float)floor((double)x / (double)y);
}

/* The rest, of the sign of x, goes to the side of y. */
TINYC_INLINE float tinyc_floor_mod_f32(float x, float y)
{
    const float rest = fmodf(x, y);
    return (y < 0.0f ? rest > 0.0f : rest < 0.0f) ? rest + y : rest;
}

#endif
