/* Transforms of int16 where a complex number is one word: its real part in the low half. */
#ifndef TINYC_FFT_S16_DSP_H
#define TINYC_FFT_S16_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_fft.h"

#if TINYC_DSP

#define TINYC_HALFWORDS(name, instruction)                             \
    TINYC_INLINE uint32_t name(uint32_t a, uint32_t b)                 \
    {                                                                  \
        uint32_t r;                                                    \
        __asm__(instruction " %0, %1, %2" : "=r"(r) : "r"(a), "r"(b)); \
        return r;                                                      \
    }

TINYC_HALFWORDS(tinyc_fft_plus_s16_dsp, "sadd16")
TINYC_HALFWORDS(tinyc_fft_minus_s16_dsp, "ssub16")
TINYC_HALFWORDS(tinyc_fft_plus_i_s16_dsp, "sasx")
TINYC_HALFWORDS(tinyc_fft_minus_i_s16_dsp, "ssax")
TINYC_HALFWORDS(tinyc_fft_half_sum_s16_dsp, "shadd16")
TINYC_HALFWORDS(tinyc_half_difference, "shsub16")
/* Signed products of halves: low * low - high * high, and low * high + high * low. */
TINYC_HALFWORDS(tinyc_smusd, "smusd")
TINYC_HALFWORDS(tinyc_smuadx, "smuadx")

/* The low half of one, the high half of the other. */
TINYC_HALFWORDS(tinyc_halves, "pkhbt")

#else

TINYC_INLINE uint32_t tinyc_fft_plus_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_pair(tinyc_low(a) + tinyc_low(b), tinyc_high(a) + tinyc_high(b));
}

TINYC_INLINE uint32_t tinyc_fft_minus_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_pair(tinyc_low(a) - tinyc_low(b), tinyc_high(a) - tinyc_high(b));
}

TINYC_INLINE uint32_t tinyc_fft_plus_i_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_pair(tinyc_low(a) - tinyc_high(b), tinyc_high(a) + tinyc_low(b));
}

TINYC_INLINE uint32_t tinyc_fft_minus_i_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_pair(tinyc_low(a) + tinyc_high(b), tinyc_high(a) - tinyc_low(b));
}

TINYC_INLINE uint32_t tinyc_fft_half_sum_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_pair((tinyc_low(a) + tinyc_low(b)) >> 1, (tinyc_high(a) + tinyc_high(b)) >> 1);
}

TINYC_INLINE uint32_t tinyc_half_difference(uint32_t a, uint32_t b)
{
    return tinyc_pair((tinyc_low(a) - tinyc_low(b)) >> 1, (tinyc_high(a) - tinyc_high(b)) >> 1);
}

TINYC_INLINE uint32_t tinyc_smusd(uint32_t a, uint32_t b)
{
    return (uint32_t)(tinyc_low(a) * tinyc_low(b) - tinyc_high(a) * tinyc_high(b));
}

TINYC_INLINE uint32_t tinyc_smuadx(uint32_t a, uint32_t b)
{
    return (uint32_t)(tinyc_low(a) * tinyc_high(b) + tinyc_high(a) * tinyc_low(b));
}

TINYC_INLINE uint32_t tinyc_halves(uint32_t a, uint32_t b)
{
    return (a & 0xffffU) | (b & 0xffff0000U);
}

#endif

TINYC_INLINE uint32_t tinyc_fft_load_s16_dsp(const int16_t *p)
{
    return tinyc_load_pair(p);
}

TINYC_INLINE void tinyc_fft_store_s16_dsp(int16_t *p, uint32_t z)
{
    memcpy(p, &z, 4);
}

/* Products with 15 bits of fraction, rounded. */
TINYC_INLINE uint32_t tinyc_fft_rounded_s16_dsp(uint32_t r, uint32_t i)
{
    const uint32_t half = 1U << 14;
    return tinyc_halves((r + half) >> 15, (i + half) << 1);
}

TINYC_INLINE uint32_t tinyc_fft_times_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_fft_rounded_s16_dsp(tinyc_smusd(a, b), tinyc_smuadx(a, b));
}

TINYC_INLINE uint32_t tinyc_fft_scale_s16_dsp(uint32_t a, int16_t factor)
{
    const int32_t r = (int16_t)(uint16_t)(a & 0xffffU) * factor;
    const int32_t i = (int16_t)(uint16_t)(a >> 16) * factor;
    return tinyc_fft_rounded_s16_dsp((uint32_t)r, (uint32_t)i);
}

TINYC_INLINE uint32_t tinyc_fft_divide_s16_dsp(uint32_t a, int32_t divisor)
{
    return tinyc_fft_scale_s16_dsp(a, (int16_t)(INT16_MAX / divisor));
}

TINYC_INLINE uint32_t tinyc_fft_half_s16_dsp(uint32_t a)
{
    return tinyc_fft_half_sum_s16_dsp(a, 0);
}

TINYC_INLINE uint32_t tinyc_fft_conjugate_s16_dsp(uint32_t a)
{
    return tinyc_halves(a, 0U - (a & 0xffff0000U));
}

TINYC_INLINE uint32_t tinyc_fft_half_mirror_s16_dsp(uint32_t a, uint32_t b)
{
    return tinyc_halves(tinyc_half_difference(a, b), tinyc_half_difference(b, a));
}

TINYC_DEFINE_FFT(s16_dsp, uint32_t, int16_t, int32_t)

#endif
