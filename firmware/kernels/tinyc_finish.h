/* From the sum of a channel to its int8 output. */
#ifndef TINYC_FINISH_H
#define TINYC_FINISH_H

#include "tinyc_dot.h"
#include "tinyc_requant.h"

/* channel: bias, multiplier, shift as of tinyc_requant2 */
TINYC_INLINE int8_t tinyc_finish_s8(int32_t acc, const int32_t *channel, int32_t zero_point,
                                    int32_t low, int32_t high)
{
    const int32_t y = tinyc_requant2(tinyc_add_bias(acc, channel[0]), channel[1], channel[2]);
    return (int8_t)tinyc_clamp_offset(y, zero_point, low, high);
}

#endif
