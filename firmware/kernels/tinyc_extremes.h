/* The greater and the lesser of two integers. */
#ifndef TINYC_EXTREMES_H
#define TINYC_EXTREMES_H

#include "tinyc_base.h"

#define TINYC_EXTREMES(suffix, type)                         \
    TINYC_INLINE type tinyc_maximum_##suffix(type x, type y) \
    {                                                        \
        return x > y ? x : y;                                \
    }                                                        \
                                                             \
    TINYC_INLINE type tinyc_minimum_##suffix(type x, type y) \
    {                                                        \
        return x < y ? x : y;                                \
    }

TINYC_EXTREMES(s8, int8_t)
TINYC_EXTREMES(s16, int16_t)
TINYC_EXTREMES(s32, int32_t)
TINYC_EXTREMES(s64, int64_t)

#endif
