/* Sums and products of int8 that are rounded to float32, and that to an integer, halves to even
 * (see tinyc/ops/qlinear_arithmetic.py). */
#ifndef TINYC_QLINEAR_ARITHMETIC_H
#define TINYC_QLINEAR_ARITHMETIC_H

#include "tinyc_float_scale.h"
#include "tinyc_requant.h"

/* x * terms.x + (y * terms.y + terms.fixed), both sums rounded to float32; offset: from int8 to the
 * numbers of the file. */
struct tinyc_qlinear_add {
    struct {
        float x, y, fixed;
    } floats;
    /* The same times 2^point. */
    struct {
        int64_t x, y, fixed;
        int32_t point;
    } exact;
    /* Times fewer, rounded; window: how far off, in the last of these bits, a sum may be. */
    struct {
        int32_t x, y, fixed, point, window;
    } near;
    int32_t offset;
};

#if defined(__ARM_FP)

TINYC_INLINE int32_t tinyc_sum_even(int32_t x, int32_t y, const struct tinyc_qlinear_add *how)
{
    const float sum = __builtin_fmaf((float)y, how->floats.y, how->floats.fixed);
    return tinyc_nearest_even(__builtin_fmaf((float)x, how->floats.x, sum));
}

#else

static TINYC_SHARED int32_t tinyc_sum_exactly(int32_t x, int32_t y,
                                              const struct tinyc_qlinear_add *how)
{
    const int64_t sum = tinyc_round24(y * how->exact.y + how->exact.fixed);
    return (int32_t)tinyc_shift_even(tinyc_round24(x * how->exact.x + sum), how->exact.point);
}

TINYC_INLINE int32_t tinyc_sum_even(int32_t x, int32_t y, const struct tinyc_qlinear_add *how)
{
    const int32_t half = 1 << (how->near.point - 1);
    const int32_t sum = x * how->near.x + y * how->near.y + how->near.fixed + half;
    const int32_t rest = (sum + how->near.window) & ((1 << how->near.point) - 1);
    return rest < 2 * how->near.window ? tinyc_sum_exactly(x, y, how) : sum >> how->near.point;
}

#endif

TINYC_INLINE int32_t tinyc_qlinear_add(int32_t x, int32_t y, const struct tinyc_qlinear_add *how)
{
    const int32_t offset = how->offset;
    return tinyc_clamp(tinyc_sum_even(x + offset, y + offset, how) - offset, INT8_MIN, INT8_MAX);
}

/* (x + x_offset) * (y + y_offset), by what tinyc_scaled_to takes. */
struct tinyc_qlinear_mul {
    int32_t x_offset, y_offset;
    int32_t scale, right, zero;
    int32_t offset;
};

TINYC_INLINE int32_t tinyc_qlinear_mul(int32_t x, int32_t y, const struct tinyc_qlinear_mul *how)
{
    const int32_t product = (x + how->x_offset) * (y + how->y_offset);
    const int32_t z = tinyc_scaled_to(product, how->scale, how->right, how->zero);
    return tinyc_clamp(z - how->offset, INT8_MIN, INT8_MAX);
}

#endif
