/* Logistic and tanh of 16 bits for LSTM gates, exact with TFLite's (see tinyc/ops/_fixedpoint.py).
 * A number with n integer bits is raw / 2^(15 - n). */
#ifndef TINYC_GATES_H
#define TINYC_GATES_H

#include "tinyc_requant.h"

/* round(a * b / 2^15), halves upwards. */
TINYC_INLINE int32_t tinyc_mul15(int32_t a, int32_t b)
{
    return (a * b + (1 << 14)) >> 15;
}

/* exp(x), 0 integer bits, of -2^15 <= x < 0 with `bits` of them, 1 to 7: what is known where this
 * is inlined, as the steps are then written out. */
TINYC_INLINE int32_t tinyc_exp16(int32_t x, int32_t bits)
{
    /* exp(-1/4), exp(-1/2), ... exp(-8); exp(-16) is 0 here */
    static const int16_t factors[7] = {25520, 19875, 12055, 4435, 600, 11, 0};
    const int32_t quarter = 1 << (13 - bits);
    const int32_t last = (x & (quarter - 1)) - quarter;
    const int32_t rest = last - x;
    const int32_t count = bits < 5 ? bits + 2 : 7;

    if (bits > 5 && x < -(1 << (20 - bits))) {
        return 0;
    }
    /* the Taylor series around -1/8, whose terms from d2 on are not negative */
    const int32_t d = last * (1 << bits) + (1 << 12);
    const int32_t d2 = tinyc_mul15(d, d);
    const int32_t d3 = tinyc_mul15(d2, d);
    const int32_t d4 = tinyc_mul15(d2, d2);
    const int32_t tail = tinyc_mul15(((d4 + 2) >> 2) + d3, 10923) + d2;
    int32_t y = 28918 + tinyc_mul15(28918, d + ((tail + 1) >> 1));
    TINYC_UNROLL(7)
    for (int32_t i = 0; i < count; i++) {
        if ((rest & (quarter << i)) != 0) {
            y = tinyc_mul15(y, factors[i]);
        }
    }
    return y;
}

/* 2 / (1 + x), 2 integer bits, of 0 <= x <= 1 with none: three Newton-Raphson steps. */
TINYC_INLINE int32_t tinyc_newton16(int32_t x)
{
    const int32_t half = (x + (1 << 15)) >> 1;
    int32_t y = 23130 + tinyc_mul15(half, -15420);
    TINYC_UNROLL(3)
    for (int32_t i = 0; i < 3; i++) {
        y += tinyc_mul15(y, (1 << 13) - tinyc_mul15(half, y)) * 4;
    }
    return y;
}

/* 1 / (1 + exp(-x)), 0 integer bits, of a 16-bit x with 3. */
TINYC_SHARED static int32_t tinyc_gate_logistic(int32_t x)
{
    if (x == 0) {
        return 1 << 14;
    }
    const int32_t y = tinyc_newton16(tinyc_exp16(x < 0 ? x : -x, 3)) * 2;
    const int32_t above = y > INT16_MAX ? INT16_MAX : y;
    return x > 0 ? above : INT16_MAX - above;
}

/* tanh(x), 0 integer bits, of a 16-bit x with `bits`, 0 to 6. */
TINYC_INLINE int32_t tinyc_gate_tanh(int32_t x, int32_t bits)
{
    if (x == 0) {
        return 0;
    }
    const int32_t y = (tinyc_newton16(tinyc_exp16(x < 0 ? x : -x, bits + 1)) - (1 << 13)) * 4;
    const int32_t above = y > INT16_MAX ? INT16_MAX : y;
    return x > 0 ? above : -above;
}

/* The same with 3 of them. */
TINYC_SHARED static int32_t tinyc_gate_tanh3(int32_t x)
{
    return tinyc_gate_tanh(x, 3);
}

/* A 32-bit number saturated to 16. */
TINYC_INLINE int32_t tinyc_clamp16(int32_t x)
{
    return tinyc_clamp(x, INT16_MIN, INT16_MAX);
}

#endif
