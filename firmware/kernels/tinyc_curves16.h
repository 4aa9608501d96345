/* Logistic and tanh of x / 12288 in 1/32768ths, exact with TFLite's int16 kernels (see
 * tinyc/ops/_curves16.py); table: 65536 * logistic(i / 24) for i from 0 to 255. */
#ifndef TINYC_CURVES16_H
#define TINYC_CURVES16_H

#include "tinyc_base.h"

/* 65536 * logistic(size / 2^bits / 24) with `bits` more bits; `last` from the table's end on. */
TINYC_INLINE int32_t tinyc_interpolated16(const uint16_t *table, uint32_t size, int32_t bits,
                                          int32_t last)
{
    const uint32_t i = size >> bits;
    if (i >= 255U) {
        return last;
    }
    const uint32_t rest = size & (((uint32_t)1 << bits) - 1U);
    return (int32_t)(((uint32_t)table[i] << bits) + rest * (uint32_t)(table[i + 1U] - table[i]));
}

TINYC_INLINE int16_t tinyc_logistic16(const uint16_t *table, int32_t x)
{
    const uint32_t size = (uint32_t)(x < 0 ? -x : x);
    const int32_t y = tinyc_interpolated16(table, size, 9, 0x7fff << 10);
    return (int16_t)((x >= 0 ? y + 512 : (1 << 25) - y + 511) >> 10);
}

TINYC_INLINE int16_t tinyc_tanh16(const uint16_t *table, int32_t x)
{
    const uint32_t size = (uint32_t)(x < 0 ? -x : x);
    const int32_t y = tinyc_interpolated16(table, size, 8, 0xffff << 8) - (1 << 23);
    return (int16_t)((x >= 0 ? y + 128 : 127 - y) >> 8);
}

/* x * multiplier / 2^shift, halves upwards: the input of these curves. */
TINYC_INLINE int32_t tinyc_curve_input16(int32_t x, int32_t multiplier, int32_t shift)
{
    const int32_t half = shift > 0 ? 1 << (shift - 1) : 0;
    return (x * multiplier + half) >> shift;
}

TINYC_INLINE int16_t tinyc_logistic_s16(int32_t x, const uint16_t *table, int32_t multiplier,
                                        int32_t shift)
{
    return tinyc_logistic16(table, tinyc_curve_input16(x, multiplier, shift));
}

TINYC_INLINE int16_t tinyc_tanh_s16(int32_t x, const uint16_t *table, int32_t multiplier,
                                    int32_t shift)
{
    return tinyc_tanh16(table, tinyc_curve_input16(x, multiplier, shift));
}

#endif
