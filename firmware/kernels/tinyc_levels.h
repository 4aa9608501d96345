/* Constants of few levels, stored as places in tables, see tinyc/kernels/levels.py. */
#ifndef TINYC_LEVELS_H
#define TINYC_LEVELS_H

#include "tinyc_unpacked.h"

enum { TINYC_UPPER = 0x80 /* of the bits: pairs are int16 */ };

/* Both halfwords of two words added. */
TINYC_INLINE uint32_t tinyc_add_halfwords(uint32_t a, uint32_t b)
{
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
    uint32_t sum;
    __asm__("uadd16 %0, %1, %2" : "=r"(sum) : "r"(a), "r"(b));
    return sum;
#else
    return ((a & 0x7fff7fffU) + (b & 0x7fff7fffU)) ^ ((a ^ b) & 0x80008000U);
#endif
}

/* The pairs of bytes, or the sums of a lower one and 256 times an upper one, of all places. */
TINYC_INLINE void tinyc_level_pairs(uint32_t *pairs, const int8_t *lower, const int8_t *upper,
                                    int32_t levels, uint32_t mask)
{
    uint32_t row[8];
    const int32_t words = levels / 2;

    for (int32_t l = 0; l < words; l++) {
        const uint32_t first = (uint32_t)lower[2 * l] & mask;
        row[l] = first | ((uint32_t)lower[2 * l + 1] & mask) << 16;
    }
    for (int32_t u = 0; u < levels; u++) {
        const uint32_t above = (uint32_t)(uint8_t)upper[u] * 0x01000100U;
        TINYC_UNROLL(8)
        for (int32_t l = 0; l < words; l++) {
            *pairs++ = tinyc_add_halfwords(row[l], above);
        }
    }
}

/* Four pairs by their places: two, `step` bytes apart, and two more `turn` bytes behind them. */
TINYC_INLINE uint8_t *tinyc_put_levels(uint8_t *to, const uint16_t *pairs, uint32_t places,
                                       int32_t bits, int32_t step, int32_t turn)
{
    const uint32_t mask = (1U << bits) - 1;
    const uint16_t a = pairs[places & mask];
    const uint16_t b = pairs[places >> bits & mask];
    const uint16_t c = pairs[places >> 2 * bits & mask];
    const uint16_t d = pairs[places >> 3 * bits & mask];
    uint8_t *const next = to + turn;

    *(uint16_t *)(void *)to = a;
    *(uint16_t *)(void *)(to + step) = b;
    *(uint16_t *)(void *)next = c;
    *(uint16_t *)(void *)(next + step) = d;
    return next + turn;
}

/* Pairs by places of 8 bits; returns what follows them. */
TINYC_INLINE const uint32_t *tinyc_put_levels_4(const uint32_t *from, int32_t count, uint8_t *to,
                                                const uint16_t *pairs, int32_t step, int32_t turn)
{
    const uint32_t *const end = from + count / 4;
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2
    uint32_t a, b, c, d;
    /* Loads follow each other, which takes less time than each for itself. */
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro put\n\t"
        "ldr    %[a], [%[from]], #4\n\t"
        "uxtb   %[b], %[a]\n\t"
        "ubfx   %[c], %[a], #8, #8\n\t"
        "ubfx   %[d], %[a], #16, #8\n\t"
        "lsrs   %[a], %[a], #24\n\t"
        "ldrh   %[b], [%[pairs], %[b], lsl #1]\n\t"
        "ldrh   %[c], [%[pairs], %[c], lsl #1]\n\t"
        "ldrh   %[d], [%[pairs], %[d], lsl #1]\n\t"
        "ldrh   %[a], [%[pairs], %[a], lsl #1]\n\t"
        "strh   %[b], [%[to]]\n\t"
        "strh   %[c], [%[to], %[step]]\n\t"
        "add    %[to], %[turn]\n\t"
        "strh   %[d], [%[to]]\n\t"
        "strh   %[a], [%[to], %[step]]\n\t"
        "add    %[to], %[turn]\n\t"
        ".endm\n\t"
        "tst    %[count], #4\n\t"
        "bne    2f\n"
        "1:\n\t"
        "put\n"
        "2:\n\t"
        "put\n\t"
        "cmp    %[from], %[end]\n\t"
        "bne    1b\n\t"
        ".purgem put\n\t"
        : [from] "+r"(from), [to] "+r"(to), [a] "=&l"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
        : [pairs] "r"(pairs), [step] "r"(step), [turn] "r"(turn), [end] "r"(end), [count] "r"(count)
        : "memory", "cc");
#else
    while (from != end) {
        to = tinyc_put_levels(to, pairs, *from++, 8, step, turn);
    }
#endif
    return from;
}

/* The same of 4 bits. */
TINYC_INLINE const uint32_t *tinyc_put_levels_2(const uint32_t *from, int32_t count, uint8_t *to,
                                                const uint16_t *pairs, int32_t step, int32_t turn)
{
    TINYC_UNROLL(1)
    for (; count > 0; count -= 8) {
        const uint32_t places = *from++;
        to = tinyc_put_levels(to, pairs, places, 4, step, turn);
        if (count > 4) {
            to = tinyc_put_levels(to, pairs, places >> 16, 4, step, turn);
        }
    }
    return from;
}

/* An array, from behind its first word on; returns what follows. */
TINYC_INLINE const uint32_t *tinyc_unpack_array(const uint32_t *from, uint8_t *to, uint16_t *pairs)
{
    const int32_t groups = (int32_t)(from[0] & 0xffff);
    const int32_t series = (int32_t)(from[0] >> 16);
    const int32_t count = (int32_t)(from[1] & 0xffff);
    const int32_t bits = (int32_t)(from[1] >> 16 & 15);
    const uint32_t mask = (from[1] >> 16 & TINYC_UPPER) != 0 ? 0xffff : 0xff;
    const int32_t tables = (int32_t)(from[1] >> 24);
    const int32_t step = (int32_t)(from[2] & 255);
    const int32_t turn = (int32_t)(from[2] >> 8 & 255);
    const int32_t apart = (int32_t)(from[2] >> 16);

    uint32_t *const words = (uint32_t *)(void *)pairs;

    from += 3;
    for (int32_t g = 0; g < groups; g++, to += 2 * series * count) {
        for (int32_t s = 0; s < series; s++) {
            const int8_t *const lower = (const int8_t *)from;
            const int32_t levels = 1 << bits;
            const int8_t *const upper = lower + (tables - 1) * levels;
            from += tables * levels / 4;
            if (bits == 4) {
                tinyc_level_pairs(words, lower, upper, 16, mask);
                TINYC_FENCE;
                from = tinyc_put_levels_4(from, count, to + s * apart, pairs, step, turn);
            } else {
                tinyc_level_pairs(words, lower, upper, 4, mask);
                TINYC_FENCE;
                from = tinyc_put_levels_2(from, count, to + s * apart, pairs, step, turn);
            }
        }
    }
    return from;
}

/* Arrays to `to` and behind it, each where eight bytes begin; returns what follows. */
TINYC_SHARED static const int32_t *tinyc_unpack_levels(const int32_t *packed, uint8_t *to)
{
    const uint32_t *from = (const uint32_t *)packed;
    uint16_t *const pairs = (uint16_t *)(void *)(to + (*from >> 8));

    for (uint32_t left = *from++ & 255; left > 0; left--) {
        const uint32_t bytes = *from & 0xffff;
        if (*from++ >> 16) {
            from = tinyc_unpack_array(from, to, pairs);
        } else {
            memcpy(to, from, bytes);
            from += (bytes + 3) / 4;
        }
        to += (bytes + 7) & ~7U;
    }
    return (const int32_t *)from;
}

/* Some channels of each of so many pixels of an output, those of a pixel `apart` from the last's.
 */
TINYC_SHARED static void tinyc_put_channels(int8_t *out, const int8_t *from, int32_t pixels,
                                            int32_t channels, int32_t apart)
{
    for (; pixels > 0; pixels--, out += apart, from += channels) {
        memcpy(out, from, (size_t)channels);
    }
}

#endif
