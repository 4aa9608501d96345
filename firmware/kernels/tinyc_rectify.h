/* RELU and its like, of quantized numbers. */
#ifndef TINYC_RECTIFY_H
#define TINYC_RECTIFY_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* int16 has zero points of 0; between tensors of one scale this is a clamp. */
TINYC_INLINE int32_t tinyc_relu_s16(int32_t x, int32_t multiplier, int32_t shift, int32_t low,
                                    int32_t high)
{
    if (!tinyc_is_one(multiplier, shift)) {
        x = tinyc_requant2(x, multiplier, shift);
    }
    return tinyc_clamp(x, low, high);
}

TINYC_INLINE int32_t tinyc_abs_s16(int32_t x, int32_t multiplier, int32_t shift)
{
    return tinyc_relu_s16(x < 0 ? -x : x, multiplier, shift, 0, INT16_MAX);
}

/* above, below: from the input's scale to the output's, below zero times the slope. */
struct tinyc_leaky_relu {
    struct tinyc_scale above;
    struct tinyc_scale below;
};

TINYC_INLINE int32_t tinyc_leaky_relu_s16(int32_t x, const struct tinyc_leaky_relu *relu)
{
    const int32_t y = x >= 0 ? tinyc_requant2(x, relu->above.multiplier, relu->above.shift)
                             : tinyc_requant2(x, relu->below.multiplier, relu->below.shift);
    return tinyc_clamp(y, INT16_MIN, INT16_MAX);
}

/* above: from the input's scale to the output's; below: from that of its product with the slope,
 * whose zero point, negated, is the offset there. */
struct tinyc_prelu {
    struct tinyc_scale above;
    struct tinyc_scale below;
    struct tinyc_output output;
};

TINYC_INLINE int32_t tinyc_prelu(int32_t x, int32_t slope, const struct tinyc_prelu *prelu)
{
    const struct tinyc_scale *const above = &prelu->above;
    const struct tinyc_scale *const below = &prelu->below;
    x += above->offset;
    if (x < 0) {
        const int32_t product = x * (slope + below->offset);
        const int32_t y = tinyc_requant2(product, below->multiplier, below->shift);
        return tinyc_quantized(y, &prelu->output);
    }
    return tinyc_quantized(tinyc_requant2(x, above->multiplier, above->shift), &prelu->output);
}

#endif
