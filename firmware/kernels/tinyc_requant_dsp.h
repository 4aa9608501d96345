/* Requantization of element-wise layers of int8 with the DSP instructions. */
#ifndef TINYC_REQUANT_DSP_H
#define TINYC_REQUANT_DSP_H

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

/* tinyc_quantized; the whole range of int8_t is one instruction. */
TINYC_INLINE int32_t tinyc_quantized_s8_dsp(int32_t x, const struct tinyc_output *output)
{
    if (output->low + output->zero_point == INT8_MIN &&
        output->high + output->zero_point == INT8_MAX) {
        return tinyc_ssat8(x + output->zero_point);
    }
    return tinyc_quantized(x, output);
}

#endif
