#ifndef TINYC_INVERSE_SQRT_H
#define TINYC_INVERSE_SQRT_H

#include "tinyc_reciprocal.h"

/* 1 / sqrt(x) in fixed point, exact with TFLite's GetInvSqrtQuantizedMultiplierExp (see
 * tinyc/ops/_fixedpoint.py): the result, with 0 integer bits, is it times 2^*right, and of x <= 1
 * nearly 1. Five Newton-Raphson steps from 1, with 3 integer bits. */
TINYC_INLINE int32_t tinyc_inverse_sqrt(int32_t x, int32_t *right)
{
    *right = 0;
    if (x <= 1) {
        return INT32_MAX;
    }
    int32_t shift = 11;
    for (; x >= 1 << 29; x /= 4) {
        shift++;
    }
    for (; x < 1 << 27; x *= 4) {
        shift--;
    }
    const int32_t half = tinyc_round_shift(x >> 1, 1);
    int32_t y = 1 << 28;
    for (int step = 0; step < 5; step++) {
        const int32_t square = tinyc_high_mul(y, y);
        const int32_t cube = tinyc_shift_left_saturating(tinyc_high_mul(square, y), 6);
        const int32_t next = tinyc_high_mul(3 << 27, y) - tinyc_high_mul(half, cube);
        y = tinyc_shift_left_saturating(next, 3);
    }
    y = tinyc_high_mul(y, 1518500250);
    if (shift < 0) {
        return y * (1 << -shift);
    }
    *right = shift;
    return y;
}

#endif
