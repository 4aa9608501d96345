/* Element-wise functions of int32 numbers that stand for themselves, and wrap around. */
#ifndef TINYC_ARITHMETIC_S32_H
#define TINYC_ARITHMETIC_S32_H

#include "tinyc_base.h"

TINYC_INLINE int32_t tinyc_negate_s32(int32_t x)
{
    return (int32_t)(0U - (uint32_t)x);
}

TINYC_INLINE int32_t tinyc_abs_s32(int32_t x)
{
    return x < 0 ? tinyc_negate_s32(x) : x;
}

TINYC_INLINE int32_t tinyc_sign_s32(int32_t x)
{
    return (x > 0) - (x < 0);
}

TINYC_INLINE int32_t tinyc_add_s32(int32_t x, int32_t y)
{
    return (int32_t)((uint32_t)x + (uint32_t)y);
}

TINYC_INLINE int32_t tinyc_sub_s32(int32_t x, int32_t y)
{
    return (int32_t)((uint32_t)x - (uint32_t)y);
}

TINYC_INLINE int32_t tinyc_mul_s32(int32_t x, int32_t y)
{
    return (int32_t)((uint32_t)x * (uint32_t)y);
}

TINYC_INLINE int32_t tinyc_squared_difference_s32(int32_t x, int32_t y)
{
    const uint32_t z = (uint32_t)x - (uint32_t)y;
    return (int32_t)(z * z);
}

/* 1 where the exponent is negative. */
TINYC_INLINE int32_t tinyc_pow_s32(int32_t x, int32_t exponent)
{
    uint32_t power = 1;
    for (uint32_t base = (uint32_t)x; exponent > 0; exponent >>= 1, base *= base) {
        power *= (exponent & 1) != 0 ? base : 1U;
    }
    return (int32_t)power;
}

/* x / y, cut; 0 for a y of 0, and -x for one of -1, where C has no answer to the least x. */
TINYC_INLINE int32_t tinyc_div_s32(int32_t x, int32_t y)
{
    if (y == 0) {
        return 0;
    }
    return y == -1 ? tinyc_negate_s32(x) : x / y;
}

/* Whether a rest, which has the sign of x, is on the other side of 0 than the divisor: there the
 * floor lies below the cut. */
TINYC_INLINE int tinyc_is_across_s32(int32_t rest, int32_t y)
{
    return rest != 0 && (rest < 0) != (y < 0);
}

TINYC_INLINE int32_t tinyc_floor_div_s32(int32_t x, int32_t y)
{
    if (y == 0 || y == -1) {
        return tinyc_div_s32(x, y);
    }
    const int32_t cut = x / y;
    return tinyc_is_across_s32(x - cut * y, y) ? cut - 1 : cut;
}

/* 0 for a y of 0. */
TINYC_INLINE int32_t tinyc_floor_mod_s32(int32_t x, int32_t y)
{
    const int32_t rest = y == 0 || y == -1 ? 0 : x % y;
    return tinyc_is_across_s32(rest, y) ? rest + y : rest;
}

#endif
