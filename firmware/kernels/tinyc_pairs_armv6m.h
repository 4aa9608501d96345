/* Two pixels in one register, for cores without SIMD and without a long multiplication: the word
 * x0 + 65536 * x1 times a weight is both products, and what two such products come to still fits
 * 16 bits each.
 *
 * columns: for each input a word of two pixels; as many as a multiple of four.
 * weights: for each two channels, for each four inputs, four bytes of either channel.
 * table: bias, multiplier and right shift, less one, of each channel. */
#ifndef TINYC_PAIRS_ARMV6M_H
#define TINYC_PAIRS_ARMV6M_H

#include "tinyc_base.h"
#include "tinyc_registers_armv6m.h"
#include "tinyc_requant.h"

TINYC_INLINE uint32_t tinyc_pair_word(int32_t first, int32_t second)
{
    return (uint32_t)first + ((uint32_t)second << 16);
}

/* What such a word stands for. */
TINYC_INLINE int32_t tinyc_pair_first(uint32_t pair)
{
    return (int16_t)(uint16_t)(pair & 0xffffU);
}

TINYC_INLINE int32_t tinyc_pair_second(uint32_t pair)
{
    return (int32_t)(pair - (uint32_t)tinyc_pair_first(pair)) >> 16;
}

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* `count` inputs of two pixels as words, 9 cycles each. r1, r2: the ends of the inputs; r3: from
 * there, up to 0. */
__attribute__((naked, noinline, unused)) static void tinyc_pair_up(
    __attribute__((unused)) uint32_t *to, __attribute__((unused)) const int8_t *first,
    __attribute__((unused)) const int8_t *second, __attribute__((unused)) int32_t count)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro pair to\n\t"
        "ldrsb  \\to, [r1, r3]\n\t"
        "ldrsb  r6, [r2, r3]\n\t"
        "lsls   r6, r6, #16\n\t"
        "adds   \\to, \\to, r6\n\t"
        "adds   r3, r3, #1\n\t"
        ".endm\n\t"
        "push   {r4-r6, lr}\n\t"
        "adds   r1, r1, r3\n\t"
        "adds   r2, r2, r3\n\t"
        "negs   r3, r3\n\t"
        "lsls   r4, r3, #31\n\t"
        "beq    1f\n\t"
        "pair   r4\n\t"
        "stm    r0!, {r4}\n\t"
        "beq    3f\n"
        "1:\n\t"
        "lsls   r4, r3, #30\n\t"
        "beq    2f\n\t"
        "pair   r4\n\t"
        "pair   r5\n\t"
        "stm    r0!, {r4, r5}\n\t"
        "beq    3f\n"
        "2:\n\t"
        ".rept 2\n\t"
        "pair   r4\n\t"
        "pair   r5\n\t"
        "stm    r0!, {r4, r5}\n\t"
        ".endr\n\t"
        "bne    2b\n"
        "3:\n\t"
        "pop    {r4-r6, pc}\n\t"
        ".purgem pair\n\t");
}

/* r5 = r0 times a multiplier, whose pieces are in r1 to r4, 8 bits each, or in r1 to r3, 10, 10 and
 * 11 bits, but for 2^-24 or 2^-20 of it; r0 and r6 are lost. `away`: see below. */
#define TINYC_TIMES_8(away) \
    "movs   r5, r0\n\t"         \
    "muls   r5, r1, r5\n\t"     \
    "asrs   r5, r5, #8\n\t"     \
    "movs   r6, r0\n\t"         \
    "muls   r6, r2, r6\n\t"     \
    "adds   r5, r5, r6\n\t"     \
    "asrs   r5, r5, #8\n\t"     \
    "movs   r6, r0\n\t"         \
    "muls   r6, r3, r6\n\t"     \
    "adds   r5, r5, r6\n\t"     \
    "asrs   r5, r5, #8\n\t" away(7) \
    "muls   r0, r4, r0\n\t"     \
    "adds   r5, r5, r0\n\t"
#define TINYC_TIMES_10(away) \
    "movs   r5, r0\n\t"          \
    "muls   r5, r1, r5\n\t"      \
    "asrs   r5, r5, #10\n\t"     \
    "movs   r6, r0\n\t"          \
    "muls   r6, r2, r6\n\t"      \
    "adds   r5, r5, r6\n\t"      \
    "asrs   r5, r5, #10\n\t" away(11) \
    "muls   r0, r3, r0\n\t"      \
    "adds   r5, r5, r0\n\t"

/* One less for negative sums, at the bit that the last shift rounds by, so that halves go away from
 * zero; it takes no part where all negative outputs are one number. */
#define TINYC_AWAY(bit)      \
    "asrs   r6, r0, #31\n\t" \
    "lsls   r6, r6, #" #bit  \
    "\n\t"                   \
    "adds   r5, r5, r6\n\t"
#define TINYC_UP(bit) ""

/* r1 to r4: the pieces of the multiplier in r4; r12: a channel's right shift, from r6, and lr: what
 * is added before, so that halves are rounded and the zero point is there, from the last argument.
 */
#define TINYC_PIECES_8         \
    "uxtb   r1, r4\n\t"        \
    "lsrs   r2, r4, #8\n\t"    \
    "uxtb   r2, r2\n\t"        \
    "lsrs   r3, r4, #16\n\t"   \
    "uxtb   r3, r3\n\t"        \
    "lsrs   r4, r4, #24\n\t"   \
    "adds   r6, r6, #7\n\t"    \
    "ldr    r5, [sp, #64]\n\t" \
    "lsls   r5, r5, r6\n\t"    \
    "adds   r5, r5, #64\n\t"   \
    "mov    lr, r5\n\t"        \
    "adds   r6, r6, #1\n\t"    \
    "mov    r12, r6\n\t"
#define TINYC_PIECES_10        \
    "lsls   r1, r4, #22\n\t"   \
    "lsrs   r1, r1, #22\n\t"   \
    "lsls   r2, r4, #12\n\t"   \
    "lsrs   r2, r2, #22\n\t"   \
    "lsrs   r3, r4, #20\n\t"   \
    "adds   r6, r6, #1\n\t"    \
    "ldr    r5, [sp, #64]\n\t" \
    "lsls   r5, r5, r6\n\t"    \
    "adds   r5, r5, #1\n\t"    \
    "lsls   r5, r5, #10\n\t"   \
    "mov    lr, r5\n\t"        \
    "adds   r6, r6, #11\n\t"   \
    "mov    r12, r6\n\t"

/* r5 = the products of r1 and r2 with two weights of a word; r6, or the word, is lost. */
#define TINYC_LOWER(word)    \
    "sxtb   r5, " word       \
    "\n\t"                   \
    "muls   r5, r1, r5\n\t"  \
    "lsls   r6, " word       \
    ", #16\n\t"              \
    "asrs   r6, r6, #24\n\t" \
    "muls   r6, r2, r6\n\t"  \
    "adds   r5, r5, r6\n\t"
#define TINYC_UPPER(word)        \
    "lsls   r5, " word           \
    ", #8\n\t"                   \
    "asrs   r5, r5, #24\n\t"     \
    "muls   r5, r1, r5\n\t"      \
    "asrs   " word ", " word     \
    ", #24\n\t"                  \
    "muls   " word ", r2, " word \
    "\n\t"                       \
    "adds   r5, r5, " word "\n\t"

/* Four inputs of two pixels for two channels, 16 multiply-accumulates, in 49 cycles: r7 is lost. */
#define TINYC_QUAD_8 \
    "ldm    r0!, {r4, r7}\n\t"   \
    "ldm    r3!, {r1, r2}\n\t"   \
    TINYC_LOWER("r4")            \
    "sum    r8, r9, r5\n\t"          \
    TINYC_LOWER("r7")            \
    "sum    r10, r11, r5\n\t"        \
    "ldm    r3!, {r1, r2}\n\t"   \
    TINYC_UPPER("r4")            \
    "sum    r8, r9, r5\n\t"          \
    TINYC_UPPER("r7")            \
    "sum    r10, r11, r5\n\t"

/* The outputs of two pixels: of an even number of channels, whose weights end at `weights_end`.
 * offset: one more than twice the output's zero point; bits: of a weight, eight of which lie side
 * by side, four of either channel, the first in the lowest bits.
 *
 * r0: weights; r3: columns, up to r12; r8 to r11: of either channel both sums, as s0 + 65536 * s1,
 * and s1 alone. On the stack: r8 to r11, the first four arguments, r4 to r7, lr, the others.
 *
 * sum: add s0 + 65536 * s1 of two int16, to `both`, and s1 to `second`: lr, 2^15, makes up for what
 * a negative s0 borrows of s1. quad: four inputs of two pixels for two channels; r1, r2 and r4 to
 * r7 are lost. bias: sums begin with a channel's. scale: the pieces of a channel's multiplier.
 * store: the output of the sum r0. */
#define TINYC_DEFINE_PAIR_OUTPUTS(name, pieces, times, bits, quad)                               \
    __attribute__((naked, noinline, unused)) static void name(                                   \
        __attribute__((unused)) const int8_t *weights,                                           \
        __attribute__((unused)) const uint32_t *columns,                                         \
        __attribute__((unused)) const uint32_t *columns_end,                                     \
        __attribute__((unused)) const int32_t *table, __attribute__((unused)) int8_t *out0,      \
        __attribute__((unused)) int8_t *out1, __attribute__((unused)) const int8_t *weights_end, \
        __attribute__((unused)) int32_t offset)                                                  \
    {                                                                                            \
        __asm__ volatile(                                                                        \
            ".syntax unified\n\t"                                                                \
            ".macro sum both, second, two\n\t"                                                   \
            "add    \\both, \\both, \\two\n\t"                                                   \
            "add    \\two, \\two, lr\n\t"                                                        \
            "asrs   \\two, \\two, #16\n\t"                                                       \
            "add    \\second, \\second, \\two\n\t"                                               \
            ".endm\n\t"                                                                          \
            ".macro quad\n\t" quad                                                               \
            ".endm\n\t"                                                                          \
            ".macro bias at, both, second\n\t"                                                   \
            "ldr    r1, [r7, #\\at]\n\t"                                                         \
            "lsls   r2, r1, #16\n\t"                                                             \
            "adds   r2, r2, r1\n\t"                                                              \
            "mov    \\both, r2\n\t"                                                              \
            "mov    \\second, r1\n\t"                                                            \
            ".endm\n\t"                                                                          \
            ".macro scale at\n\t"                                                                \
            "ldr    r4, [r7, #\\at + 4]\n\t"                                                     \
            "ldr    r6, [r7, #\\at + 8]\n\t" pieces                                              \
            ".endm\n\t"                                                                          \
            ".macro store out, channel\n\t" times                                                \
            "add    r5, r5, lr\n\t"                                                              \
            "mov    r6, r12\n\t"                                                                 \
            "asrs   r5, r5, r6\n\t"                                                              \
            "sxtb   r6, r5\n\t"                                                                  \
            "cmp    r6, r5\n\t"                                                                  \
            "beq    1f\n\t"                                                                      \
            "asrs   r5, r5, #31\n\t"                                                             \
            "movs   r6, #127\n\t"                                                                \
            "eors   r5, r5, r6\n\t"                                                              \
            "1:\n"                                                                               \
            "ldr    r0, [sp, #\\out]\n\t"                                                        \
            "strb   r5, [r0, #\\channel]\n\t"                                                    \
            ".endm\n\t"                                                                          \
            ".macro outputs both, second, channel\n\t"                                           \
            "scale  12 * \\channel\n\t"                                                          \
            "mov    r0, \\both\n\t"                                                              \
            "mov    r6, \\second\n\t"                                                            \
            "lsls   r6, r6, #16\n\t"                                                             \
            "subs   r0, r0, r6\n\t"                                                              \
            "store  52, \\channel\n\t"                                                           \
            "mov    r0, \\second\n\t"                                                            \
            "store  56, \\channel\n\t"                                                           \
            ".endm\n\t"                                                                          \
            "push   {r0-r7, lr}\n\t" TINYC_HIGH_TO_LOW                                           \
            "push   {r4-r7}\n\t"                                                                 \
            "2:\n"                                                                               \
            "ldr    r7, [sp, #28]\n\t"                                                           \
            "bias   0, r8, r9\n\t"                                                               \
            "bias   12, r10, r11\n\t"                                                            \
            "movs   r1, #1\n\t"                                                                  \
            "lsls   r1, r1, #15\n\t"                                                             \
            "mov    lr, r1\n\t"                                                                  \
            "ldr    r3, [sp, #20]\n\t"                                                           \
            "ldr    r1, [sp, #24]\n\t"                                                           \
            "mov    r12, r1\n\t"                                                                 \
            "subs   r1, r1, r3\n\t"                                                              \
            "lsls   r1, r1, #28\n\t" /* carries if the number of quads is odd */                 \
            "bcs    4f\n\t"                                                                      \
            "3:\n"                                                                               \
            "quad\n\t"                                                                           \
            "4:\n"                                                                               \
            "quad\n\t"                                                                           \
            "cmp    r3, r12\n\t"                                                                 \
            "bne    3b\n\t"                                                                      \
            "str    r0, [sp, #16]\n\t"                                                           \
            "ldr    r7, [sp, #28]\n\t"                                                           \
            "outputs r8, r9, 0\n\t"                                                              \
            "outputs r10, r11, 1\n\t"                                                            \
            "adds   r7, r7, #24\n\t"                                                             \
            "str    r7, [sp, #28]\n\t"                                                           \
            "ldr    r0, [sp, #52]\n\t"                                                           \
            "adds   r0, r0, #2\n\t"                                                              \
            "str    r0, [sp, #52]\n\t"                                                           \
            "ldr    r0, [sp, #56]\n\t"                                                           \
            "adds   r0, r0, #2\n\t"                                                              \
            "str    r0, [sp, #56]\n\t"                                                           \
            "ldr    r0, [sp, #16]\n\t"                                                           \
            "ldr    r1, [sp, #60]\n\t"                                                           \
            "cmp    r0, r1\n\t"                                                                  \
            "beq    5f\n\t"                                                                      \
            "b      2b\n\t"                                                                      \
            "5:\n" TINYC_POP_HIGH                                                                \
            "pop    {r0-r7, pc}\n\t"                                                             \
            ".purgem sum\n\t"                                                                    \
            ".purgem quad\n\t"                                                                   \
            ".purgem bias\n\t"                                                                   \
            ".purgem scale\n\t"                                                                  \
            ".purgem store\n\t"                                                                  \
            ".purgem outputs\n\t");                                                              \
    }

#else

static TINYC_SHARED void tinyc_pair_up(uint32_t *to, const int8_t *first, const int8_t *second,
                                       int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        to[i] = tinyc_pair_word(first[i], second[i]);
    }
}

/* One of many of so many bits. */
TINYC_INLINE int32_t tinyc_pair_weight(const int8_t *weights, int32_t at, int32_t bits)
{
    const uint32_t byte = (uint8_t)weights[at * bits / 8];
    return (int8_t)(byte << (8 - bits - at * bits % 8)) >> (8 - bits);
}

TINYC_INLINE int8_t tinyc_pair_finish(int32_t sum, const int32_t *channel, int32_t offset)
{
    const int32_t y = tinyc_requant2(sum, channel[1], -1 - channel[2]);
    return (int8_t)tinyc_clamp(y + (offset >> 1), INT8_MIN, INT8_MAX);
}

#define TINYC_DEFINE_PAIR_OUTPUTS(name, pieces, times, bits, quad)                                 \
    static TINYC_SHARED void name(const int8_t *weights, const uint32_t *columns,                  \
                                  const uint32_t *columns_end, const int32_t *table, int8_t *out0, \
                                  int8_t *out1, const int8_t *weights_end, int32_t offset)         \
    {                                                                                              \
        int32_t channel = 0;                                                                       \
                                                                                                   \
        for (; weights != weights_end;                                                             \
             weights += bits * (columns_end - columns) / 4, channel += 2) {                        \
            for (int32_t i = 0; i < 2; i++, table += 3) {                                          \
                int32_t sum0 = table[0];                                                           \
                int32_t sum1 = table[0];                                                           \
                int32_t k = 0;                                                                     \
                for (const uint32_t *x = columns; x != columns_end; x++, k++) {                    \
                    const int32_t weight =                                                         \
                        tinyc_pair_weight(weights, k / 4 * 8 + 4 * i + k % 4, bits);               \
                    sum0 += weight * tinyc_pair_first(*x);                                         \
                    sum1 += weight * tinyc_pair_second(*x);                                        \
                }                                                                                  \
                out0[channel + i] = tinyc_pair_finish(sum0, table, offset);                        \
                out1[channel + i] = tinyc_pair_finish(sum1, table, offset);                        \
            }                                                                                      \
        }                                                                                          \
    }

#endif

/* For weights of so many bits: by pieces of 8 or of 10 bits, rounding halves up or away from 0. */
#define TINYC_DEFINE_EACH_PAIR_OUTPUTS(name, bits, quad)                                         \
    TINYC_DEFINE_PAIR_OUTPUTS(name##_8, TINYC_PIECES_8, TINYC_TIMES_8(TINYC_UP), bits, quad)     \
    TINYC_DEFINE_PAIR_OUTPUTS(name##_8_away, TINYC_PIECES_8, TINYC_TIMES_8(TINYC_AWAY), bits,    \
                              quad)                                                              \
    TINYC_DEFINE_PAIR_OUTPUTS(name##_10, TINYC_PIECES_10, TINYC_TIMES_10(TINYC_UP), bits, quad)  \
    TINYC_DEFINE_PAIR_OUTPUTS(name##_10_away, TINYC_PIECES_10, TINYC_TIMES_10(TINYC_AWAY), bits, \
                              quad)

TINYC_DEFINE_EACH_PAIR_OUTPUTS(tinyc_pair_outputs, 8, TINYC_QUAD_8)

typedef void tinyc_pair_outputs(const int8_t *weights, const uint32_t *columns,
                                const uint32_t *columns_end, const int32_t *table, int8_t *out0,
                                int8_t *out1, const int8_t *weights_end, int32_t offset);

#endif
