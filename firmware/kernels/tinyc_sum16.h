/* The last steps of sums of int16 inputs times int8 weights. A channel's table begins with the low
 * and the high word of its bias, unless told otherwise. See tinyc/ops/_int16.py. */
#ifndef TINYC_SUM16_H
#define TINYC_SUM16_H

#include "tinyc_requant.h"

TINYC_INLINE int64_t tinyc_biased16(int64_t acc, const int32_t *channel)
{
    return acc + (int64_t)((uint64_t)(uint32_t)channel[1] << 32 | (uint32_t)channel[0]);
}

/* What 32 bits keep of a sum. */
TINYC_INLINE int32_t tinyc_wrap16(int64_t acc)
{
    return (int32_t)(uint32_t)(uint64_t)acc;
}

/* channel: bias, 16-bit multiplier, right shift. */
TINYC_INLINE int32_t tinyc_reduced16(int64_t acc, const int32_t *channel)
{
    return tinyc_requant_wide(tinyc_biased16(acc, channel), channel[2], channel[3]);
}

/* The same of sums that fit 32 bits with their bias, where the rounding lies within the high word.
 * channel: bias, in one word, multiplier shifted up by 16, right shift less 16. */
TINYC_INLINE int32_t tinyc_high16(int32_t acc, const int32_t *channel)
{
    const int32_t high = (int32_t)(((int64_t)(acc + channel[0]) * channel[1]) >> 32);
    return (high + ((int32_t)1 << (channel[2] - 1))) >> channel[2];
}

/* channel: bias, multiplier, shift as of tinyc_requant2. */
TINYC_INLINE int32_t tinyc_wrapped16(int64_t acc, const int32_t *channel)
{
    return tinyc_requant2(tinyc_wrap16(tinyc_biased16(acc, channel)), channel[2], channel[3]);
}

#endif
