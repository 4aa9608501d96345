/* Quantized numbers on their way from the operands of an element-wise layer to its output. */
#ifndef TINYC_QUANTIZED_H
#define TINYC_QUANTIZED_H

#include "tinyc_base.h"
#include "tinyc_requant.h"

/* From one scale to another: (x + offset) * multiplier * 2^(shift - 31). */
struct tinyc_scale {
    int32_t offset;
    int32_t multiplier;
    int32_t shift;
};

/* Bounds less the zero point, which is added after the clamp: before it the sum might leave 32
 * bits. */
struct tinyc_output {
    int32_t low;
    int32_t high;
    int32_t zero_point;
};

TINYC_INLINE int32_t tinyc_quantized(int32_t x, const struct tinyc_output *output)
{
    return tinyc_clamp(x, output->low, output->high) + output->zero_point;
}

/* Whether a scale is a half: of an even number that is exact without a product. */
TINYC_INLINE int tinyc_is_half(const struct tinyc_scale *scale)
{
    return scale->multiplier == 1 << 30 && scale->shift == 0;
}

/* The same for a scale of one. */
TINYC_INLINE int tinyc_is_one(int32_t multiplier, int32_t shift)
{
    return multiplier == 1 << 30 && shift == 1;
}

/* From one tensor's scale and zero point to those of another. */
struct tinyc_requantize {
    struct tinyc_scale scale;
    struct tinyc_output output;
};

TINYC_INLINE int32_t tinyc_requantize(int32_t x, const struct tinyc_requantize *to)
{
    const struct tinyc_scale *const scale = &to->scale;
    const int32_t y = tinyc_requant2(x + scale->offset, scale->multiplier, scale->shift);
    return tinyc_quantized(y, &to->output);
}

#endif
