/* ADD and SUB of int8 and of int16. */
#ifndef TINYC_ADD_H
#define TINYC_ADD_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* left, right: from the operands, shifted up so that nothing is lost, to a common scale, at which
 * the larger of theirs counts a half; sum: from there to the output's. */
struct tinyc_add {
    struct tinyc_scale left;
    struct tinyc_scale right;
    struct tinyc_scale sum;
    struct tinyc_output output;
    int32_t subtract;
};

TINYC_INLINE int32_t tinyc_plus_or_minus(int32_t x, int32_t y, int32_t subtract)
{
    return subtract ? x - y : x + y;
}

/* Whether what is read has been brought to the common scale: no other scale is over a half. */
TINYC_INLINE int tinyc_is_addend(const struct tinyc_scale *scale)
{
    return scale->shift > 0;
}

/* |x| < 2^8 and a scale of a half at most: the result is less than 2^27. */
TINYC_INLINE int32_t tinyc_addend_s8(int32_t x, const struct tinyc_scale *scale)
{
    if (tinyc_is_addend(scale)) {
        return x;
    }
    if (tinyc_is_half(scale)) {
        return (x + scale->offset) * (1 << 19);
    }
    return tinyc_requant2_small((x + scale->offset) * (1 << 20), scale->multiplier, scale->shift);
}

/* AddElementwise of TFLite's reference_integer_ops/add.h */
TINYC_INLINE int32_t tinyc_add_s8(int32_t x, int32_t y, const struct tinyc_add *add)
{
    const int32_t z = tinyc_plus_or_minus(tinyc_addend_s8(x, &add->left),
                                          tinyc_addend_s8(y, &add->right), add->subtract);
    const int32_t scaled = tinyc_requant2_small(z, add->sum.multiplier, add->sum.shift);
    return tinyc_quantized(scaled, &add->output);
}

/* An output is (bias + left * x + right * y) / 2^bits, rounded down. The compiler has held this
 * against tinyc_add_s8 for every pair of bytes. */
struct tinyc_add_linear {
    int32_t left, right, bias;
    int32_t low, high;
};

TINYC_INLINE int32_t tinyc_add_linear_s8(int32_t x, int32_t y, int32_t bits,
                                         const struct tinyc_add_linear *add)
{
    return tinyc_clamp((add->bias + add->left * x + add->right * y) >> bits, add->low, add->high);
}

/* |x| <= 2^15: the result is at most 2^29. */
TINYC_INLINE int32_t tinyc_addend_s16(int32_t x, const struct tinyc_scale *scale)
{
    if (tinyc_is_half(scale)) {
        return x * (1 << 14);
    }
    return tinyc_requant2(x * (1 << 15), scale->multiplier, scale->shift);
}

/* The same of reference/add.h; int16 has zero points of 0. */
TINYC_INLINE int32_t tinyc_add_s16(int32_t x, int32_t y, const struct tinyc_add *add)
{
    const int32_t z = tinyc_plus_or_minus(tinyc_addend_s16(x, &add->left),
                                          tinyc_addend_s16(y, &add->right), add->subtract);
    const int32_t scaled = tinyc_requant2(z, add->sum.multiplier, add->sum.shift);
    return tinyc_quantized(scaled, &add->output);
}

/* Of scales that are powers of two: right shifts of the operands, and a sum that saturates. */
struct tinyc_add_pot {
    int32_t left;
    int32_t right;
    int32_t subtract;
    struct tinyc_output output;
};

TINYC_INLINE int32_t tinyc_add_s16_pot(int32_t x, int32_t y, const struct tinyc_add_pot *add)
{
    const int32_t z = tinyc_plus_or_minus(tinyc_round_shift(x, add->left),
                                          tinyc_round_shift(y, add->right), add->subtract);
    return tinyc_quantized(z, &add->output);
}

#endif
