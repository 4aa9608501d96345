/* ADD and SUB of int8 with the DSP instructions. */
#ifndef TINYC_ADD_DSP_H
#define TINYC_ADD_DSP_H

#include "tinyc_add.h"
#include "tinyc_dsp.h"
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

/* Outputs by 20 bits, of products that have 8 more. Four of each operand: bytes 0 and 2, then 1 and
 * 3, as the upper ones of halfwords. */
TINYC_INLINE uint32_t tinyc_add4_s8_dsp(uint32_t x, uint32_t y, const struct tinyc_add_linear *add)
{
    const uint32_t x02 = (x << 8) & 0xff00ff00U, x13 = x & 0xff00ff00U;
    const uint32_t y02 = (y << 8) & 0xff00ff00U, y13 = y & 0xff00ff00U;
    const int32_t z0 = tinyc_smlawb(add->right, y02, tinyc_smlawb(add->left, x02, add->bias));
    const int32_t z1 = tinyc_smlawb(add->right, y13, tinyc_smlawb(add->left, x13, add->bias));
    const int32_t z2 = tinyc_smlawt(add->right, y02, tinyc_smlawt(add->left, x02, add->bias));
    const int32_t z3 = tinyc_smlawt(add->right, y13, tinyc_smlawt(add->left, x13, add->bias));
    const uint32_t z = tinyc_pack4(tinyc_ssat8_asr20(z0), tinyc_ssat8_asr20(z1),
                                   tinyc_ssat8_asr20(z2), tinyc_ssat8_asr20(z3));

    return add->low == INT8_MIN && add->high == INT8_MAX
               ? z
               : tinyc_clamp4(z, ((uint32_t)add->low & 0xffU) * 0x1010101U,
                              ((uint32_t)add->high & 0xffU) * 0x1010101U);
}

/* Of `count` pairs. The output may lie over an operand. */
TINYC_INLINE void tinyc_add_quads_s8_dsp(const int8_t *x, const int8_t *y, int8_t *out,
                                         int32_t count, const struct tinyc_add_linear *add)
{
    TINYC_UNROLL(2)
    for (int32_t left = count / 4; left > 0; left--, x += 4, y += 4, out += 4) {
        const uint32_t z = tinyc_add4_s8_dsp(tinyc_load4(x), tinyc_load4(y), add);
        memcpy(out, &z, 4);
    }
    for (int32_t i = 0; i < count % 4; i++) {
        out[i] = (int8_t)tinyc_add4_s8_dsp((uint8_t)x[i], (uint8_t)y[i], add);
    }
}

#endif
