/* ADD and SUB of int8 with the DSP instructions. */
#ifndef TINYC_ADD_DSP_H
#define TINYC_ADD_DSP_H

#include "tinyc_add.h"
#include "tinyc_base.h"
#include "tinyc_dsp.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* tinyc_requant2_small, whose rounded high product SMMULR is of twice the number. */
TINYC_INLINE int32_t tinyc_requant2_small_dsp(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return tinyc_requant2_small(x, multiplier, shift);
    }
    const int32_t high = tinyc_smmulr(x * 2, multiplier);
    return shift == 0 ? high : tinyc_round_right(high, -shift);
}

TINYC_INLINE int32_t tinyc_addend_s8_dsp(int32_t x, const struct tinyc_scale *scale)
{
    if (tinyc_is_half(scale)) {
        return tinyc_addend_s8(x, scale);
    }
    const int32_t up = (x + scale->offset) * (1 << 20);
    return tinyc_requant2_small_dsp(up, scale->multiplier, scale->shift);
}

/* tinyc_add_s8; the whole range of int8_t is one instruction. */
TINYC_INLINE int32_t tinyc_add_s8_dsp(int32_t x, int32_t y, const struct tinyc_add *add)
{
    const struct tinyc_output *const out = &add->output;
    const int32_t z = tinyc_plus_or_minus(tinyc_addend_s8_dsp(x, &add->left),
                                          tinyc_addend_s8_dsp(y, &add->right), add->subtract);
    const int32_t scaled = tinyc_requant2_small_dsp(z, add->sum.multiplier, add->sum.shift);
    if (out->low + out->zero_point == INT8_MIN && out->high + out->zero_point == INT8_MAX) {
        return tinyc_ssat8(scaled + out->zero_point);
    }
    return tinyc_quantized(scaled, out);
}

#endif
