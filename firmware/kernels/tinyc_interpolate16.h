/* Curves of int16 numbers by samples of them (see tinyc/ops/_samples16.py). */
#ifndef TINYC_INTERPOLATE16_H
#define TINYC_INTERPOLATE16_H

#include "tinyc_requant.h"

/* The curve of 513 samples at x, between two of them. */
TINYC_INLINE int32_t tinyc_interpolate16(int32_t x, const int16_t *samples)
{
    x = tinyc_clamp(x, -32768, 32767);
    const int16_t *const at = samples + 256 + (x >> 7);
    return at[0] + (((at[1] - at[0]) * (x & 0x7f) + 64) >> 7);
}

#endif
