/* Words of 32 signs: counting, packing, and what is made of their sums. */
#ifndef TINYC_BITS_H
#define TINYC_BITS_H

#include "tinyc_base.h"

/* Set bits of a word. */
TINYC_INLINE int32_t tinyc_popcount(uint32_t x)
{
    x -= (x >> 1) & 0x55555555U;
    x = (x & 0x33333333U) + ((x >> 2) & 0x33333333U);
    x = (x + (x >> 4)) & 0x0f0f0f0fU;
    return (int32_t)((x * 0x01010101U) >> 24);
}

/* (x * multiplier + term) >> shift, saturated; the low five bits of the term are the shift as well,
 * and only the sum need fit 32 bits. tinyc/ops/lce_bconv2d.py chooses both so that no result
 * suffers. */
TINYC_INLINE int8_t tinyc_bits_scaled(int32_t x, int32_t multiplier, int32_t term)
{
    const uint32_t sum = (uint32_t)x * (uint32_t)multiplier + (uint32_t)term;
    const int32_t y = (int32_t)sum >> (term & 31);
    return (int8_t)(y < -128 ? -128 : (y > 127 ? 127 : y));
}

/* The same; channel: multiplier and term. */
TINYC_INLINE int8_t tinyc_bits_scale(int32_t x, const int32_t *channel)
{
    return tinyc_bits_scaled(x, channel[0], channel[1]);
}

/* Bit i is set where x[i] + 128 is below `limit`, of four bytes at a multiple of four;
 * 0 <= limit <= 255. */
TINYC_INLINE uint32_t tinyc_bits_below4(const int8_t *x, uint32_t limit)
{
    uint32_t bytes;
#if defined(__GNUC__)
    x = __builtin_assume_aligned(x, 4);
#endif
    memcpy(&bytes, x, 4);
    bytes ^= 0x80808080U;
    /* the high bit of each byte: whether its low seven bits reach those of the limit */
    const uint32_t reach = (bytes | 0x80808080U) - (limit & 127U) * 0x01010101U;
    const uint32_t below = limit > 127U ? ~(bytes & reach) : ~(bytes | reach);
    return (((below >> 7) & 0x01010101U) * 0x10204080U) >> 28;
}

/* The signs of up to 32 numbers less their thresholds, from bit 0 up; a set bit is negative. */
TINYC_INLINE uint32_t tinyc_bits_signs_s8(const int8_t *in, int32_t count, const int16_t *threshold)
{
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        word = (word >> 1) | ((uint32_t)(in[i] - threshold[i]) & 0x80000000U);
    }
    return word >> (32 - count);
}

/* The same with one threshold for all. */
TINYC_INLINE uint32_t tinyc_bits_signs_of_s8(const int8_t *in, int32_t count, int32_t threshold)
{
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        word = (word >> 1) | ((uint32_t)(in[i] - threshold) & 0x80000000U);
    }
    return word >> (32 - count);
}

/* Channels packed into words of 32, row by row: what is left of a row fills a word of its own. */
TINYC_INLINE void tinyc_bits_pack_s8(const int8_t *in, int32_t *out, int32_t rows, int32_t channels,
                                     int32_t zero_point)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t n = 0; n < channels / 32; n++) {
            uint32_t word = 0;
            if (channels % 32 == 0) { /* then each word begins at a multiple of four */
                for (int32_t i = 0; i < 32; i += 4) {
                    word = (word >> 4) |
                           (tinyc_bits_below4(in + i, (uint32_t)(zero_point + 128)) << 28);
                }
            } else {
                word = tinyc_bits_signs_of_s8(in, 32, zero_point);
            }
            *out++ = (int32_t)word;
            in += 32;
        }
        if (channels % 32 != 0) {
            *out++ = (int32_t)tinyc_bits_signs_of_s8(in, channels % 32, zero_point);
            in += channels % 32;
        }
    }
}

/* The same where each channel has a threshold, and `flips` the bits that are inverted then. */
TINYC_INLINE void tinyc_bits_pack_above_s8(const int8_t *in, int32_t *out, int32_t rows,
                                           int32_t channels, const int16_t *thresholds,
                                           const uint32_t *flips)
{
    for (int32_t row = 0; row < rows; row++) {
        const int16_t *threshold = thresholds;
        const uint32_t *flip = flips;
        for (int32_t n = 0; n < channels / 32; n++) {
            *out++ = (int32_t)(tinyc_bits_signs_s8(in, 32, threshold) ^ *flip++);
            in += 32;
            threshold += 32;
        }
        if (channels % 32 != 0) {
            *out++ = (int32_t)(tinyc_bits_signs_s8(in, channels % 32, threshold) ^ *flip);
            in += channels % 32;
        }
    }
}

/* The same for numbers that are negative where `test` of them holds. */
#define TINYC_BITS_PACK(kind, type, test)                                                \
    TINYC_INLINE uint32_t tinyc_bits_signs_##kind(const type *in, int32_t count)         \
    {                                                                                    \
        uint32_t word = 0;                                                               \
        for (int32_t i = 0; i < count; i++) {                                            \
            word = (word >> 1) | (in[i] test ? 0x80000000U : 0U);                        \
        }                                                                                \
        return word >> (32 - count);                                                     \
    }                                                                                    \
                                                                                         \
    TINYC_INLINE void tinyc_bits_pack_##kind(const type *in, int32_t *out, int32_t rows, \
                                             int32_t channels)                           \
    {                                                                                    \
        for (int32_t row = 0; row < rows; row++) {                                       \
            for (int32_t n = 0; n < channels / 32; n++) {                                \
                *out++ = (int32_t)tinyc_bits_signs_##kind(in, 32);                       \
                in += 32;                                                                \
            }                                                                            \
            if (channels % 32 != 0) {                                                    \
                *out++ = (int32_t)tinyc_bits_signs_##kind(in, channels % 32);            \
                in += channels % 32;                                                     \
            }                                                                            \
        }                                                                                \
    }
TINYC_BITS_PACK(f32, float, < 0.0f)
TINYC_BITS_PACK(bool, uint8_t, == 0U) /* false stands for -1 */

/* Packed signs as numbers: `minus` where a bit is set, else `plus`. */
#define TINYC_BITS_UNPACK(kind, type)                                                      \
    TINYC_INLINE void tinyc_bits_unpack_##kind(const int32_t *in, type *out, int32_t rows, \
                                               int32_t channels, type plus, type minus)    \
    {                                                                                      \
        for (int32_t row = 0; row < rows; row++) {                                         \
            uint32_t word = 0;                                                             \
            for (int32_t i = 0; i < channels; i++) {                                       \
                word = i % 32 == 0 ? (uint32_t)*in++ : word >> 1;                          \
                *out++ = (word & 1U) != 0U ? minus : plus;                                 \
            }                                                                              \
        }                                                                                  \
    }
TINYC_BITS_UNPACK(s8, int8_t)
TINYC_BITS_UNPACK(f32, float)
TINYC_BITS_UNPACK(bool, uint8_t)

#endif
