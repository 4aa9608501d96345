/* The greater and the lesser of two integers. */
#ifndef TINYC_EXTREMES_H
#define TINYC_EXTREMES_H

#include "tinyc_base.h"

TINYC_INLINE int8_t tinyc_maximum_s8(int8_t x, int8_t y)
{
    return x > y ? x : y;
}

TINYC_INLINE int8_t tinyc_minimum_s8(int8_t x, int8_t y)
{
    return x < y ? x : y;
}

TINYC_INLINE int16_t tinyc_maximum_s16(int16_t x, int16_t y)
{
    return x > y ? x : y;
}

TINYC_INLINE int16_t tinyc_minimum_s16(int16_t x, int16_t y)
{
    return x < y ? x : y;
}

#endif
