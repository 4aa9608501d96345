/* 1 / x in fixed point, exact with gemmlowp's GetReciprocal (see tinyc/ops/_fixedpoint.py). */
#ifndef TINYC_RECIPROCAL_H
#define TINYC_RECIPROCAL_H

#include "tinyc_requant.h"

TINYC_INLINE int32_t tinyc_shift_left_saturating(int32_t x, int32_t amount)
{
    const int32_t most = INT32_MAX >> amount;
    return x > most ? INT32_MAX : x < -1 - most ? INT32_MIN : x * (1 << amount);
}

/* x > 0 has 12 integer bits. The result is 1 / x * 2^*shift with 0 integer bits:
 * three Newton-Raphson steps from 48/17 - 32/17 d, for d = the leading bits of x in [1/2, 1]. */
TINYC_INLINE int32_t tinyc_reciprocal(int32_t x, int32_t *shift)
{
    int32_t zeros = 1;
    while (((uint32_t)x << zeros) < 0x80000000U) {
        zeros++;
    }
    *shift = 12 - zeros;

    const uint32_t fraction = ((uint32_t)x << zeros) - 0x80000000U;
    const int32_t half = (int32_t)((fraction + 0x80000000U) / 2U);
    int32_t y = 1515870810 + tinyc_high_mul(half, -1010580540);
    for (int step = 0; step < 3; step++) {
        const int32_t error = ((int32_t)1 << 29) - tinyc_high_mul(half, y);
        y += tinyc_shift_left_saturating(tinyc_high_mul(y, error), 2);
    }
    return tinyc_shift_left_saturating(y, 1);
}

#endif
