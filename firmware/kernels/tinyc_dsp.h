/* The Armv7E-M / Armv8-M DSP instructions that the kernels use, each with its meaning in C. */
#ifndef TINYC_DSP_H
#define TINYC_DSP_H

#include "tinyc_base.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#define TINYC_DSP 1
#else
#define TINYC_DSP 0
#endif

/* Four bytes at any address as one little-endian word. */
TINYC_INLINE uint32_t tinyc_load4(const int8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

/* Two halfwords likewise, the first in the low half. */
TINYC_INLINE uint32_t tinyc_load_pair(const int16_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return word;
}

#if TINYC_DSP

/* Bytes 0 and 2 of `x`, sign-extended, plus the halfwords of `base`. */
TINYC_INLINE uint32_t tinyc_sxtab16(uint32_t base, uint32_t x)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2" : "=r"(r) : "r"(base), "r"(x));
    return r;
}

/* The same of bytes 1 and 3. */
TINYC_INLINE uint32_t tinyc_sxtab16_ror8(uint32_t base, uint32_t x)
{
    uint32_t r;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(r) : "r"(base), "r"(x));
    return r;
}

/* Bytes 0 and 2 of `x`, sign-extended to halfwords. */
TINYC_INLINE uint32_t tinyc_sxtb16(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(x));
    return r;
}

/* Bytes 1 and 3 of `x`, sign-extended to halfwords. */
TINYC_INLINE uint32_t tinyc_sxtb16_ror8(uint32_t x)
{
    uint32_t r;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
}

/* Bytes 1 and 3 of `x` as unsigned halfwords. */
TINYC_INLINE uint32_t tinyc_uxtb16_ror8(uint32_t x)
{
    uint32_t r;
    __asm__("uxtb16 %0, %1, ror #8" : "=r"(r) : "r"(x));
    return r;
}

/* acc + a.low * b.low + a.high * b.high */
TINYC_INLINE int32_t tinyc_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* The same in 64 bits. */
TINYC_INLINE int64_t tinyc_smlald(uint32_t a, uint32_t b, int64_t acc)
{
    __asm__("smlald %Q0, %R0, %1, %2" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}

/* acc plus how far the unsigned bytes of `a` and of `b` are apart, of all four. */
TINYC_INLINE int32_t tinyc_usada8(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("usada8 %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* acc + a.low * b.low */
TINYC_INLINE int32_t tinyc_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* acc + a.high * b.high */
TINYC_INLINE int32_t tinyc_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* acc + (a * b.low >> 16) */
TINYC_INLINE int32_t tinyc_smlawb(int32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlawb %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* acc + (a * b.high >> 16) */
TINYC_INLINE int32_t tinyc_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smlawt %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* (a * b + 2^31) >> 32 */
TINYC_INLINE int32_t tinyc_smmulr(int32_t a, int32_t b)
{
    int32_t r;
    __asm__("smmulr %0, %1, %2" : "=r"(r) : "r"(a), "r"(b));
    return r;
}

/* (a * b + 2^31 + acc * 2^32) >> 32 */
TINYC_INLINE int32_t tinyc_smmlar(int32_t a, int32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smmlar %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* The same without the 2^31, cut off. */
TINYC_INLINE int32_t tinyc_smmla(int32_t a, int32_t b, int32_t acc)
{
    int32_t r;
    __asm__("smmla %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(b), "r"(acc));
    return r;
}

/* The low half of `low` and the high half of `high`. */
TINYC_INLINE uint32_t tinyc_pkhbt(uint32_t low, uint32_t high)
{
    uint32_t r;
    __asm__("pkhbt %0, %1, %2" : "=r"(r) : "r"(low), "r"(high));
    return r;
}

/* x / 2, rounded down, saturated to a signed byte. */
TINYC_INLINE int32_t tinyc_ssat8_asr1(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1, asr #1" : "=r"(r) : "r"(x));
    return r;
}

/* The same of x / 2^8. */
TINYC_INLINE int32_t tinyc_ssat8_asr8(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1, asr #8" : "=r"(r) : "r"(x));
    return r;
}

/* The same of x / 2^12. */
TINYC_INLINE int32_t tinyc_ssat8_asr12(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1, asr #12" : "=r"(r) : "r"(x));
    return r;
}

/* The same of x / 2^20. */
TINYC_INLINE int32_t tinyc_ssat8_asr20(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1, asr #20" : "=r"(r) : "r"(x));
    return r;
}

/* x saturated to a signed byte. */
TINYC_INLINE int32_t tinyc_ssat8(int32_t x)
{
    int32_t r;
    __asm__("ssat %0, #8, %1" : "=r"(r) : "r"(x));
    return r;
}

/* The lowest bytes of four numbers, the first one's lowest. */
TINYC_INLINE uint32_t tinyc_pack4(int32_t x0, int32_t x1, int32_t x2, int32_t x3)
{
    uint32_t r = (uint32_t)x0;
    __asm__(
        "bfi %0, %1, #8, #8\n\t"
        "bfi %0, %2, #16, #8\n\t"
        "bfi %0, %3, #24, #8"
        : "+&r"(r)
        : "r"(x1), "r"(x2), "r"(x3));
    return r;
}

/* The greater of each of four signed bytes. */
TINYC_INLINE uint32_t tinyc_max4(uint32_t x, uint32_t y)
{
    uint32_t r;
    __asm__(
        "ssub8 %0, %1, %2\n\t"
        "sel   %0, %1, %2"
        : "=&r"(r)
        : "r"(x), "r"(y));
    return r;
}

/* Four signed bytes, each clamped to those of `low` and `high`. */
TINYC_INLINE uint32_t tinyc_clamp4(uint32_t x, uint32_t low, uint32_t high)
{
    uint32_t r;
    __asm__(
        "ssub8 %0, %1, %2\n\t"
        "sel   %0, %1, %2\n\t"
        "ssub8 %1, %3, %0\n\t"
        "sel   %0, %0, %3"
        : "=&r"(r), "+&r"(x)
        : "r"(low), "r"(high));
    return r;
}

#else

TINYC_INLINE int32_t tinyc_low(uint32_t x)
{
    return (int16_t)(uint16_t)(x & 0xffffU);
}

TINYC_INLINE int32_t tinyc_high(uint32_t x)
{
    return (int16_t)(uint16_t)(x >> 16);
}

TINYC_INLINE uint32_t tinyc_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xffffU) | ((uint32_t)high << 16);
}

TINYC_INLINE uint32_t tinyc_sxtab16(uint32_t base, uint32_t x)
{
    const int32_t b0 = (int8_t)(uint8_t)(x & 0xffU);
    const int32_t b2 = (int8_t)(uint8_t)((x >> 16) & 0xffU);
    return tinyc_pair(tinyc_low(base) + b0, tinyc_high(base) + b2);
}

TINYC_INLINE uint32_t tinyc_sxtab16_ror8(uint32_t base, uint32_t x)
{
    return tinyc_sxtab16(base, (x >> 8) | (x << 24));
}

TINYC_INLINE uint32_t tinyc_sxtb16(uint32_t x)
{
    return tinyc_sxtab16(0, x);
}

TINYC_INLINE uint32_t tinyc_sxtb16_ror8(uint32_t x)
{
    return tinyc_sxtab16_ror8(0, x);
}

TINYC_INLINE uint32_t tinyc_uxtb16_ror8(uint32_t x)
{
    return (x >> 8) & 0xff00ffU;
}

TINYC_INLINE int32_t tinyc_smlad(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + tinyc_low(a) * tinyc_low(b) + tinyc_high(a) * tinyc_high(b);
}

TINYC_INLINE int32_t tinyc_usada8(uint32_t a, uint32_t b, int32_t acc)
{
    for (int32_t i = 0; i < 32; i += 8) {
        const int32_t apart = (int32_t)((a >> i) & 0xffU) - (int32_t)((b >> i) & 0xffU);
        acc += apart < 0 ? -apart : apart;
    }
    return acc;
}

TINYC_INLINE int64_t tinyc_smlald(uint32_t a, uint32_t b, int64_t acc)
{
    return acc + tinyc_low(a) * tinyc_low(b) + (int64_t)(tinyc_high(a) * tinyc_high(b));
}

TINYC_INLINE int32_t tinyc_smlabb(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + tinyc_low(a) * tinyc_low(b);
}

TINYC_INLINE int32_t tinyc_smlatt(uint32_t a, uint32_t b, int32_t acc)
{
    return acc + tinyc_high(a) * tinyc_high(b);
}

TINYC_INLINE int32_t tinyc_smlawb(int32_t a, uint32_t b, int32_t acc)
{
    return acc + (int32_t)(((int64_t)a * tinyc_low(b)) >> 16);
}

TINYC_INLINE int32_t tinyc_smlawt(int32_t a, uint32_t b, int32_t acc)
{
    return acc + (int32_t)(((int64_t)a * tinyc_high(b)) >> 16);
}

TINYC_INLINE int32_t tinyc_smmulr(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
}

TINYC_INLINE int32_t tinyc_smmlar(int32_t a, int32_t b, int32_t acc)
{
    return acc + tinyc_smmulr(a, b);
}

TINYC_INLINE int32_t tinyc_smmla(int32_t a, int32_t b, int32_t acc)
{
    return acc + (int32_t)(((int64_t)a * b) >> 32);
}

TINYC_INLINE uint32_t tinyc_pkhbt(uint32_t low, uint32_t high)
{
    return (low & 0xffffU) | (high & 0xffff0000U);
}

TINYC_INLINE int32_t tinyc_ssat8(int32_t x)
{
    return x < INT8_MIN ? INT8_MIN : (x > INT8_MAX ? INT8_MAX : x);
}

TINYC_INLINE int32_t tinyc_ssat8_asr1(int32_t x)
{
    return tinyc_ssat8(x >> 1);
}

TINYC_INLINE int32_t tinyc_ssat8_asr8(int32_t x)
{
    return tinyc_ssat8(x >> 8);
}

TINYC_INLINE int32_t tinyc_ssat8_asr12(int32_t x)
{
    return tinyc_ssat8(x >> 12);
}

TINYC_INLINE int32_t tinyc_ssat8_asr20(int32_t x)
{
    return tinyc_ssat8(x >> 20);
}

TINYC_INLINE uint32_t tinyc_pack4(int32_t x0, int32_t x1, int32_t x2, int32_t x3)
{
    return ((uint32_t)x0 & 0xffU) | ((uint32_t)x1 & 0xffU) << 8 | ((uint32_t)x2 & 0xffU) << 16 |
           (uint32_t)x3 << 24;
}

TINYC_INLINE uint32_t tinyc_max4(uint32_t x, uint32_t y)
{
    int8_t lanes[4], others[4];
    memcpy(lanes, &x, 4);
    memcpy(others, &y, 4);
    for (int i = 0; i < 4; i++) {
        lanes[i] = lanes[i] > others[i] ? lanes[i] : others[i];
    }
    memcpy(&x, lanes, 4);
    return x;
}

TINYC_INLINE uint32_t tinyc_clamp4(uint32_t x, uint32_t low, uint32_t high)
{
    int8_t lanes[4], least[4], most[4];
    memcpy(lanes, &x, 4);
    memcpy(least, &low, 4);
    memcpy(most, &high, 4);
    for (int i = 0; i < 4; i++) {
        lanes[i] = lanes[i] < least[i] ? least[i] : lanes[i];
        lanes[i] = lanes[i] > most[i] ? most[i] : lanes[i];
    }
    memcpy(&x, lanes, 4);
    return x;
}

#endif

/* Twice tinyc_requant2, and 1 more or not, with the zero point, for |acc| < 2^30 and a right shift
 * of `shift` + 1. Doubling the accumulator makes SMMULR the rounded high product; adding the sign
 * makes halves go away from zero; half = 1 + 2 * zero_point rounds the last bit and adds the zero
 * point. */
TINYC_INLINE int32_t tinyc_requant2_twice_dsp(int32_t acc, int32_t multiplier, int32_t shift,
                                              int32_t half)
{
    const int32_t high = tinyc_smmulr(acc * 2, multiplier);
    return ((high + (high >> 31)) >> shift) + half;
}

TINYC_INLINE int32_t tinyc_requant2_dsp(int32_t acc, int32_t multiplier, int32_t shift,
                                        int32_t half)
{
    return tinyc_requant2_twice_dsp(acc, multiplier, shift, half) >> 1;
}

/* Clamp to an activation's range; the whole range of int8_t is one instruction. */
TINYC_INLINE int8_t tinyc_clamp_s8(int32_t x, int32_t low, int32_t high)
{
    x = tinyc_ssat8(x);
    if (low != INT8_MIN) {
        x = x < low ? low : x;
    }
    if (high != INT8_MAX) {
        x = x > high ? high : x;
    }
    return (int8_t)x;
}

/* Clamp stored bytes, `count` of them, to an activation's range. */
static TINYC_SHARED void tinyc_clamp_bytes(int8_t *out, int32_t count, int32_t low, int32_t high)
{
    for (; count > 0; count--, out++) {
        *out = tinyc_clamp_s8(*out, low, high);
    }
}

/* The int8 output of a sum, of two words of its channel. */
typedef int8_t tinyc_finish_s8(int32_t acc, int32_t first, int32_t second, int32_t zero_point,
                               int32_t low, int32_t high);

/* That of a multiplier and an addend, where the zero point is -128: a product of 256 times the sum,
 * which leaves the output times 2^12. Below it does not matter how halves are rounded, and the
 * compiler has found them such that each output begins at the very sum at which it does when
 * rounded twice. */
TINYC_INLINE int8_t tinyc_finish_s8_lowest(int32_t acc, int32_t multiplier, int32_t addend,
                                           int32_t zero_point, int32_t low, int32_t high)
{
    const int32_t up = (int32_t)((uint32_t)acc << 8);
    const int32_t y = tinyc_ssat8_asr12(tinyc_smmla(up, multiplier, addend));

    (void)zero_point;
    return low == INT8_MIN && high == INT8_MAX ? (int8_t)y : tinyc_clamp_s8(y, low, high);
}

/* That of a multiplier and a right shift less one. */
TINYC_INLINE int8_t tinyc_finish_s8_dsp(int32_t acc, int32_t multiplier, int32_t shift,
                                        int32_t zero_point, int32_t low, int32_t high)
{
    const int32_t twice = tinyc_requant2_twice_dsp(acc, multiplier, shift, 1 + 2 * zero_point);
    const int32_t y = tinyc_ssat8_asr1(twice);

    return low == INT8_MIN && high == INT8_MAX ? (int8_t)y : tinyc_clamp_s8(y, low, high);
}

#endif
