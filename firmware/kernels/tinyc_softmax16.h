#ifndef TINYC_SOFTMAX16_H
#define TINYC_SOFTMAX16_H

#include "tinyc_requant.h"

/* The curve of 513 samples at x, between two of them (see tinyc/ops/softmax.py). */
TINYC_INLINE int32_t tinyc_interpolate16(const int16_t *samples, int32_t x)
{
    x = tinyc_clamp(x, -32768, 32767);
    const int16_t *const at = samples + 256 + (x >> 7);
    return at[0] + (((at[1] - at[0]) * (x & 0x7f) + 64) >> 7);
}

#endif
