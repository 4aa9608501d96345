/* MUL of int8 with the DSP instructions. */
#ifndef TINYC_MUL_DSP_H
#define TINYC_MUL_DSP_H

#include "tinyc_mul.h"
#include "tinyc_requant_dsp.h"

/* tinyc_multiply where the shift leaves the product, less than 2^16, under 2^30. */
TINYC_INLINE int32_t tinyc_multiply_s8_dsp(int32_t x, int32_t y, const struct tinyc_mul *mul)
{
    const int32_t product = (x + mul->x_offset) * (y + mul->y_offset);
    const int32_t scaled = tinyc_requant2_small_dsp(product, mul->multiplier, mul->shift);
    return tinyc_quantized_s8_dsp(scaled, &mul->output);
}

#endif
