/* Four channels of a dense layer with int16 inputs.
 * weights: for each four channels, for each four inputs, one word a channel with the weights of
 * inputs 0, 2, 1 and 3, so that SXTB16 leaves those of 0 and 1, and of 2 and 3. */
#ifndef TINYC_DENSE16_H
#define TINYC_DENSE16_H

#include "tinyc_dsp.h"

/* Two int16 at a multiple of two bytes, the first in the low half. */
TINYC_INLINE uint32_t tinyc_load_pair(const int16_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

/* acc + a.low * b.low + a.high * b.high, in 64 bits */
TINYC_INLINE int64_t tinyc_smlald(uint32_t a, uint32_t b, int64_t acc)
{
#if TINYC_DSP
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
#else
    return acc + tinyc_low(a) * tinyc_low(b) + (int64_t)(tinyc_high(a) * tinyc_high(b));
#endif
}

TINYC_INLINE int32_t tinyc_quad16(const int8_t *weights, uint32_t x01, uint32_t x23, int32_t acc)
{
    const uint32_t quad = tinyc_load4(weights);
    acc = tinyc_smlad(x01, tinyc_sxtb16(quad), acc);
    return tinyc_smlad(x23, tinyc_sxtb16_ror8(quad), acc);
}

TINYC_INLINE int64_t tinyc_quad16_wide(const int8_t *weights, uint32_t x01, uint32_t x23,
                                       int64_t acc)
{
    const uint32_t quad = tinyc_load4(weights);
    acc = tinyc_smlald(x01, tinyc_sxtb16(quad), acc);
    return tinyc_smlald(x23, tinyc_sxtb16_ror8(quad), acc);
}

/* Add `quads` times four inputs to the sums of four channels, where 32 bits hold them; returns
 * the next weights. */
TINYC_SHARED static const int8_t *tinyc_dense16_sum(int32_t *acc, const int16_t *x,
                                                    const int8_t *weights, int32_t quads)
{
    const int8_t *const end = weights + 16 * quads;
    int32_t a0 = acc[0];
    int32_t a1 = acc[1];
    int32_t a2 = acc[2];
    int32_t a3 = acc[3];

    for (; weights != end; weights += 16, x += 4) {
        const uint32_t x01 = tinyc_load_pair(x);
        const uint32_t x23 = tinyc_load_pair(x + 2);
        a0 = tinyc_quad16(weights, x01, x23, a0);
        a1 = tinyc_quad16(weights + 4, x01, x23, a1);
        a2 = tinyc_quad16(weights + 8, x01, x23, a2);
        a3 = tinyc_quad16(weights + 12, x01, x23, a3);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
    return end;
}

/* The same in 64 bits. */
TINYC_SHARED static const int8_t *tinyc_dense16_sum_wide(int64_t *acc, const int16_t *x,
                                                         const int8_t *weights, int32_t quads)
{
    const int8_t *const end = weights + 16 * quads;
    int64_t a0 = acc[0];
    int64_t a1 = acc[1];
    int64_t a2 = acc[2];
    int64_t a3 = acc[3];

    for (; weights != end; weights += 16, x += 4) {
        const uint32_t x01 = tinyc_load_pair(x);
        const uint32_t x23 = tinyc_load_pair(x + 2);
        a0 = tinyc_quad16_wide(weights, x01, x23, a0);
        a1 = tinyc_quad16_wide(weights + 4, x01, x23, a1);
        a2 = tinyc_quad16_wide(weights + 8, x01, x23, a2);
        a3 = tinyc_quad16_wide(weights + 12, x01, x23, a3);
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
    return end;
}

#endif
