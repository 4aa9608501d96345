/* ADD and SUB of int8 with the DSP instructions. */
#ifndef TINYC_ADD_DSP_H
#define TINYC_ADD_DSP_H

#include "tinyc_add.h"
#include "tinyc_requant_dsp.h"

TINYC_INLINE int32_t tinyc_addend_s8_dsp(int32_t x, const struct tinyc_scale *scale)
{
    if (tinyc_is_addend(scale) || tinyc_is_half(scale)) {
        return tinyc_addend_s8(x, scale);
    }
    const int32_t up = (x + scale->offset) * (1 << 20);
    return tinyc_requant2_small_dsp(up, scale->multiplier, scale->shift);
}

/* tinyc_add_s8 */
TINYC_INLINE int32_t tinyc_add_s8_dsp(int32_t x, int32_t y, const struct tinyc_add *add)
{
    const int32_t z = tinyc_plus_or_minus(tinyc_addend_s8_dsp(x, &add->left),
                                          tinyc_addend_s8_dsp(y, &add->right), add->subtract);
    return tinyc_requantized_s8_dsp(z, add->sum.multiplier, add->sum.shift, &add->output);
}

#endif
