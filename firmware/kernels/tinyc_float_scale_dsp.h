/* The int8 outputs of sums that are multiplied by a float32, the products under 2^22, on cores with
 * the DSP extension. */
#ifndef TINYC_FLOAT_SCALE_DSP_H
#define TINYC_FLOAT_SCALE_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_float_scale.h"

TINYC_INLINE int8_t tinyc_finish_s8_float(int32_t acc, int32_t scale, int32_t right,
                                          int32_t zero_point, int32_t low, int32_t high)
{
    return tinyc_clamp_s8(tinyc_scaled_small(acc, scale, right) + zero_point, low, high);
}

#endif
