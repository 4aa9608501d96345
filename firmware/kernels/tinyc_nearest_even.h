#ifndef TINYC_NEAREST_EVEN_H
#define TINYC_NEAREST_EVEN_H

#include "tinyc_base.h"

/* The integer next to x, halves to even, |x| < 2^22: what is added leaves no bit for a fraction. */
TINYC_INLINE int32_t tinyc_nearest_even(float x)
{
    const float sum = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits - 0x4b400000;
}

#endif
