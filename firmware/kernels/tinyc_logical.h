/* Logic of booleans, which are 0 or 1. */
#ifndef TINYC_LOGICAL_H
#define TINYC_LOGICAL_H

#include "tinyc_base.h"

TINYC_INLINE uint8_t tinyc_and(uint8_t x, uint8_t y)
{
    return x && y;
}

TINYC_INLINE uint8_t tinyc_or(uint8_t x, uint8_t y)
{
    return x || y;
}

TINYC_INLINE uint8_t tinyc_not(uint8_t x)
{
    return !x;
}

#endif
