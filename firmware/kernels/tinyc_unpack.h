/* Constants that are stored in fewer bytes, see tinyc/kernels/packed.py. */
#ifndef TINYC_UNPACK_H
#define TINYC_UNPACK_H

#include "tinyc_unpacked.h"

enum {
    TINYC_RAW = 8,      /* in the place of the low bits: bytes as they are */
    TINYC_CENTRED = 16, /* a byte follows that all differ from by little */
    TINYC_ESCAPE = 15   /* so many zeros: eight bits follow */
};

/* The bits from `at` on, 25 of them at least, from the highest down. */
TINYC_INLINE uint32_t tinyc_bits_at(const uint8_t *from, uint32_t at)
{
#if defined(__ARM_FEATURE_UNALIGNED)
    uint32_t word;
    memcpy(&word, from + (at >> 3), sizeof word);
    return __builtin_bswap32(word) << (at & 7);
#else
    const uint8_t *const b = from + (at >> 3);
    const uint32_t word = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return word << (at & 7);
#endif
}

/* How many zeros are above the highest one of `bits`, which is there. */
TINYC_INLINE uint32_t tinyc_zeros(uint32_t bits)
{
#if defined(__ARM_FEATURE_CLZ) || !defined(__arm__)
    return (uint32_t)__builtin_clz(bits);
#else
    uint32_t zeros = 0;
    for (; (bits >> 31) == 0; bits <<= 1) {
        zeros++;
    }
    return zeros;
#endif
}

/* Every `period`-th of `count` bytes at `to`; returns what follows. */
TINYC_INLINE const uint8_t *tinyc_unpack_run(const uint8_t *from, uint8_t *to, int32_t count,
                                             int32_t period)
{
    const uint32_t head = *from++;
    const uint32_t low = head & 15;
    const uint32_t centre = (head & TINYC_CENTRED) != 0 ? *from++ : 0;
    uint8_t *const end = to + count;
    uint32_t at = 0;

    if (low == TINYC_RAW) {
        TINYC_UNROLL(1)
        for (; to != end; to += period) {
            *to = *from++;
        }
        return from;
    }
    TINYC_UNROLL(1)
    for (; to != end; to += period) {
        const uint32_t bits = tinyc_bits_at(from, at);
        const uint32_t zeros = tinyc_zeros(bits);
        /* The highest one, and the low bits behind it. */
        uint32_t u = (bits << zeros >> (31 - low)) + ((zeros - 1) << low);
        at += zeros + 1 + low;
        if (__builtin_expect(zeros == TINYC_ESCAPE, 0)) {
            u = bits << 16 >> 24;
            at += 8 - low;
        }
        *to = (uint8_t)((u >> 1 ^ (0U - (u & 1))) + centre);
    }
    return from + ((at + 7) >> 3);
}

typedef const uint8_t *tinyc_unpack_run_by(const uint8_t *from, uint8_t *to, int32_t count,
                                           int32_t period);

/* Arrays to `to` and behind it, each where eight bytes begin; returns what follows. */
TINYC_INLINE const uint8_t *tinyc_unpack_arrays(const uint8_t *from, uint8_t *to,
                                                tinyc_unpack_run_by *run)
{
    TINYC_UNROLL(1)
    for (int32_t left = *from++; left > 0; left--) {
        const int32_t bytes = from[0] | from[1] << 8;
        const int32_t period = from[2];

        from += 3;
        TINYC_UNROLL(1)
        for (int32_t i = 0; i < period; i++) {
            from = run(from, to + i, bytes, period);
        }
        to += (bytes + 7) & ~7;
    }
    return from;
}

TINYC_SHARED static const uint8_t *tinyc_unpack(const uint8_t *from, uint8_t *to)
{
    return tinyc_unpack_arrays(from, to, tinyc_unpack_run);
}

#endif
