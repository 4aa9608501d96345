/* Requantization of element-wise layers of int8 with the DSP instructions. */
#ifndef TINYC_REQUANT_DSP_H
#define TINYC_REQUANT_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* tinyc_requant2_small, whose rounded high product SMMULR is of twice the number; SMMLAR adds what
 * rounds the shift, halves away from zero, in the same instruction. */
TINYC_INLINE int32_t tinyc_requant2_small_dsp(int32_t x, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return tinyc_requant2_small(x, multiplier, shift);
    }
    if (shift == 0) {
        return tinyc_smmulr(x * 2, multiplier);
    }
    return tinyc_smmlar(x * 2, multiplier, (x >> 31) + (1 << (-shift - 1))) >> -shift;
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

/* Both, with the zero point shifted up beside what rounds the shift, up to 23 bits. */
TINYC_INLINE int32_t tinyc_requantized_s8_dsp(int32_t x, int32_t multiplier, int32_t shift,
                                              const struct tinyc_output *output)
{
    const int32_t zero = output->zero_point;

    if (shift >= 0 || shift < -23) {
        return tinyc_quantized_s8_dsp(tinyc_requant2_small_dsp(x, multiplier, shift), output);
    }
    const int32_t half = (1 + 2 * zero) * (1 << (-shift - 1));
    const int32_t y = tinyc_smmlar(x * 2, multiplier, (x >> 31) + half) >> -shift;
    return tinyc_clamp_s8(y, output->low + zero, output->high + zero);
}

#endif
