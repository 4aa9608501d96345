/* Sums of 32 output channels at once. A counter lies across words: bit c of plane k is bit k of
 * channel c's. Inputs of one sign add nothing that is not known beforehand, so only those of the
 * other sign are listed, and their rows of weights, a word each, are added up. */
#ifndef TINYC_BITS_SUM_H
#define TINYC_BITS_SUM_H

#include "tinyc_base.h"

/* Keeps the compiler from loading what it would then have to spill. */
#if defined(__GNUC__)
#define TINYC_FENCE __asm__ volatile("" ::: "memory")
#else
#define TINYC_FENCE
#endif

/* sum + x + x' + y + y', given x, dx = x ^ x' and y, dy = y ^ y': the low bit of each lane stays
 * in *sum, the two carries become *x and *x ^ *dx. Eight operations for two full adders: the
 * block MDFA of Demenkov, Kojevnikov, Kulikov and Yaroslavtsev, "New upper bounds on the Boolean
 * circuit complexity of symmetric functions", 2010. */
TINYC_INLINE void tinyc_bits_add(uint32_t *sum, uint32_t *x, uint32_t *dx, uint32_t y, uint32_t dy)
{
    const uint32_t first = (*x ^ *sum) | *dx;
    const uint32_t middle = *sum ^ *dx;
    const uint32_t second = (y ^ middle) & ~dy;
    *sum = middle ^ dy;
    *x = middle ^ first;
    *dx = first ^ second;
}

/* Append to `list` the byte offset of the row of weights of each set bit of `channels` inputs, all
 * inverted by `flip`; the inputs are clear where `in` is null. Within a word of inputs the rows
 * descend. Stops soon after `limit`. Returns the end of the list. */
static TINYC_SHARED uint16_t *tinyc_bits_list(const int32_t *in, int32_t channels, uint32_t offset,
                                              uint32_t flip, uint16_t *list, const uint16_t *limit)
{
    for (; channels > 0 && list <= limit; channels -= 32, offset += 128U) {
        uint32_t bits = flip;
        if (in != 0) {
            bits ^= (uint32_t)*in++;
        }
        if (channels < 32) {
            bits <<= 32 - channels;
        }
#if defined(__ARM_FEATURE_CLZ) && __ARM_FEATURE_CLZ
        for (; bits != 0U; list++) {
            const uint32_t first = (uint32_t)__builtin_clz(bits);
            bits &= ~(0x80000000U >> first);
            *list = (uint16_t)(offset + 4U * first);
        }
#else
        for (uint32_t at = offset; bits != 0U; bits <<= 1, at += 4U) {
            if ((bits & 0x80000000U) != 0U) {
                *list++ = (uint16_t)at;
            }
        }
#endif
    }
    return list;
}

/* Add the listed rows of `weights` to the counters of `plane`, from `list` up to `end`, which
 * are whole sixteens. */
static TINYC_SHARED void tinyc_bits_sum(const uint32_t *weights, const uint16_t *list,
                                        const uint16_t *end, uint32_t *plane)
{
    const uint8_t *const base = (const uint8_t *)weights;
    uint32_t ones = plane[0];
    uint32_t twos = plane[1];
    uint32_t fours = plane[2];
    uint32_t eights = plane[3];
#define TINYC_ROW(i) (*(const uint32_t *)(const void *)(base + list[i]))
#define TINYC_FOUR_ROWS(x, dx)                 \
    do {                                       \
        TINYC_FENCE;                           \
        x = TINYC_ROW(0);                      \
        dx = TINYC_ROW(1);                     \
        uint32_t y = TINYC_ROW(2);             \
        uint32_t dy = TINYC_ROW(3);            \
        TINYC_FENCE;                           \
        list += 4;                             \
        dx ^= x;                               \
        dy ^= y;                               \
        tinyc_bits_add(&ones, &x, &dx, y, dy); \
    } while (0)
    while (list != end) {
        uint32_t a, da, b, db, c, dc;
        TINYC_FOUR_ROWS(a, da);
        TINYC_FOUR_ROWS(b, db);
        tinyc_bits_add(&twos, &a, &da, b, db);
        TINYC_FOUR_ROWS(b, db);
        TINYC_FOUR_ROWS(c, dc);
        tinyc_bits_add(&twos, &b, &db, c, dc);
        tinyc_bits_add(&fours, &a, &da, b, db);
        /* two carries of eight, and then those of sixteen up to where they end */
        const uint32_t high = (a ^ eights) | da;
        eights ^= da;
        uint32_t carry = eights ^ high;
        for (uint32_t *next = plane + 4; carry != 0U; next++) {
            *next ^= carry;
            carry &= ~*next;
        }
    }
    plane[0] = ones;
    plane[1] = twos;
    plane[2] = fours;
    plane[3] = eights;
#undef TINYC_FOUR_ROWS
#undef TINYC_ROW
}

/* Whether each counter of `plane` is below its limit, which lies across words as well. */
static TINYC_SHARED uint32_t tinyc_bits_below(const uint32_t *plane, const uint32_t *limit,
                                              int32_t planes)
{
    uint32_t below = 0;
    for (; planes > 0; planes--, plane++, limit++) {
        below ^= (*plane ^ *limit) & (below ^ *limit);
    }
    return below;
}

/* Eight planes become numbers, in place: byte c of what they then hold is that of channel c. The
 * rows of weights hold channel 4 i + j in bit i + 8 j, so that exchanging bits within bytes is
 * enough. */
static TINYC_SHARED void tinyc_bits_bytes(uint32_t *plane)
{
    for (int32_t i = 0; i < 4; i++) {
        const uint32_t t = ((plane[i] >> 4) ^ plane[i + 4]) & 0x0f0f0f0fU;
        plane[i] ^= t << 4;
        plane[i + 4] ^= t;
    }
    for (uint32_t *p = plane; p != plane + 8; p += 4) {
        for (int32_t i = 0; i < 2; i++) {
            const uint32_t t = ((p[i] >> 2) ^ p[i + 2]) & 0x33333333U;
            p[i] ^= t << 2;
            p[i + 2] ^= t;
        }
        for (int32_t i = 0; i < 4; i += 2) {
            const uint32_t t = ((p[i] >> 1) ^ p[i + 1]) & 0x55555555U;
            p[i] ^= t << 1;
            p[i + 1] ^= t;
        }
    }
}

#endif
