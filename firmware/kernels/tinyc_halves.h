/* Sums of four channels of two pixels, the weights of two channels in each halfword, by the DSP
 * extension.
 *
 * columns: for each pair of inputs (a, b) two words of int16, one for each pixel;
 * weights: for each four channels c0 to c3, for each such row, four halfwords:
 *          c0a + 256 * c1a, c0b + 256 * c1b, c2a + 256 * c3a, c2b + 256 * c3b;
 * table: bias, multiplier and right shift of each channel, the shift less the kernel's last steps.
 *
 * SMLAD of such halfwords adds up A + 256 * B of two channels, and of their lower bytes alone,
 * which SXTB16 widens, A: nothing unpacks the upper ones. Sums wrap around: B is right below 2^23.
 *
 * half: 1 + 2 * the output's zero point. Shifted up and added to a high product, it rounds the last
 * bit of what is shifted down again, and adds the zero point; shifts are at most 23 altogether. */
#ifndef TINYC_HALVES_H
#define TINYC_HALVES_H

#include "tinyc_dsp.h"

/* Channels of `table`, by four, up to `table_end`, of columns up to `columns_end`.
 * out: those of the first pixel; to_second: bytes from there to those of the second, 0 where there
 * is none; skip: tinyc_halves_skip of the rows. */
typedef void tinyc_halves_tile(const int16_t *weights, const int16_t *columns,
                               const int16_t *columns_end, int32_t skip, const int32_t *table,
                               const int32_t *table_end, int32_t half, int8_t *out,
                               int32_t to_second);

/* What the first pass over code of eight rows leaves out, so that the others are whole. */
#define TINYC_HALVES_ROW_BYTES 56

TINYC_INLINE int32_t tinyc_halves_skip(int32_t rows)
{
    return (-rows & 7) * TINYC_HALVES_ROW_BYTES;
}

#if TINYC_DSP

/* One row, 16 multiply-accumulates, by 4 loads, 2 SXTB16, 8 SMLAD. r0: weights, r1: columns, both
 * moved on; r4, r6, r8, r10: sums of the first pixel, those behind them of the second. Loads that
 * follow each other take half the time, or none each beside a product. */
#if TINYC_DUAL_ISSUE
#define TINYC_HALVES_ROW           \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    lr, [r1], #4\n\t"      \
    "smlad  r6, r2, r12, r6\n\t"   \
    "ldr    r3, [r0], #4\n\t"      \
    "smlad  r7, r2, lr, r7\n\t"    \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r10, r3, r12, r10\n\t" \
    "smlad  r11, r3, lr, r11\n\t"  \
    "sxtb16 r3, r3\n\t"            \
    "smlad  r4, r2, r12, r4\n\t"   \
    "smlad  r5, r2, lr, r5\n\t"    \
    "smlad  r8, r3, r12, r8\n\t"   \
    "smlad  r9, r3, lr, r9\n\t"
#else
#define TINYC_HALVES_ROW           \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    lr, [r1], #4\n\t"      \
    "smlad  r6, r2, r12, r6\n\t"   \
    "smlad  r10, r3, r12, r10\n\t" \
    "smlad  r7, r2, lr, r7\n\t"    \
    "smlad  r11, r3, lr, r11\n\t"  \
    "sxtb16 r2, r2\n\t"            \
    "sxtb16 r3, r3\n\t"            \
    "smlad  r4, r2, r12, r4\n\t"   \
    "smlad  r8, r3, r12, r8\n\t"   \
    "smlad  r5, r2, lr, r5\n\t"    \
    "smlad  r9, r3, lr, r9\n\t"
#endif

/* A + 256 * B and A, as 2 * B and 2 * A, whose high products SMMLAR rounds. */
#define TINYC_HALVES_TWICE    \
    "sub    r6, r6, r4\n\t"   \
    "sub    r7, r7, r5\n\t"   \
    "sub    r10, r10, r8\n\t" \
    "sub    r11, r11, r9\n\t" \
    "asr    r6, r6, #7\n\t"   \
    "asr    r7, r7, #7\n\t"   \
    "asr    r10, r10, #7\n\t" \
    "asr    r11, r11, #7\n\t" \
    "lsl    r4, r4, #1\n\t"   \
    "lsl    r5, r5, #1\n\t"   \
    "lsl    r8, r8, #1\n\t"   \
    "lsl    r9, r9, #1\n\t"

/* As B and A. */
#define TINYC_HALVES_ONCE     \
    "sub    r6, r6, r4\n\t"   \
    "sub    r7, r7, r5\n\t"   \
    "sub    r10, r10, r8\n\t" \
    "sub    r11, r11, r9\n\t" \
    "asr    r6, r6, #8\n\t"   \
    "asr    r7, r7, #8\n\t"   \
    "asr    r10, r10, #8\n\t" \
    "asr    r11, r11, #8\n\t"

/* High products of a channel's sums \a and \b, whose multiplier is r2, and r3 half, shifted up.
 * Rounded twice, halves go away from zero. */
#define TINYC_HALVES_AWAY             \
    "add    r0, r3, \\a, asr #31\n\t" \
    "add    r3, r3, \\b, asr #31\n\t" \
    "smmlar \\a, \\a, r2, r0\n\t"     \
    "smmlar \\b, \\b, r2, r3\n\t"

/* The same where the zero point is -128: below it halves may go either way. */
#define TINYC_HALVES_LOWEST       \
    "smmlar \\a, \\a, r2, r3\n\t" \
    "smmlar \\b, \\b, r2, r3\n\t"

/* Rounded once: the high products are cut off. */
#define TINYC_HALVES_CUT          \
    "smmla  \\a, \\a, r2, r3\n\t" \
    "smmla  \\b, \\b, r2, r3\n\t"

/* The stack: weights, columns, their end, where the code of rows begins; from 52 on the arguments
 * from `table` on. Behind the rows r0 is saved, r1 the table of four channels, lr half. */
#define TINYC_DEFINE_HALVES(name, scale, multiply)                                                \
    __attribute__((naked, noinline, unused)) static void name(                                    \
        __attribute__((unused)) const int16_t *weights,                                           \
        __attribute__((unused)) const int16_t *columns,                                           \
        __attribute__((unused)) const int16_t *columns_end, __attribute__((unused)) int32_t skip, \
        __attribute__((unused)) const int32_t *table,                                             \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t to_second)           \
    {                                                                                             \
        __asm__ volatile(                                                                         \
            ".syntax unified\n\t"                                                                 \
            ".macro tinyc_channel multiplier, shift, a, b\n\t"                                    \
            "ldr    r12, [r1, #\\shift]\n\t"                                                      \
            "ldr    r2, [r1, #\\multiplier]\n\t"                                                  \
            "lsl    r3, lr, r12\n\t" multiply                                                     \
            "asr    \\a, \\a, r12\n\t"                                                            \
            "asr    \\b, \\b, r12\n\t"                                                            \
            "ssat   \\a, #8, \\a, asr #1\n\t"                                                     \
            "ssat   \\b, #8, \\b, asr #1\n\t"                                                     \
            ".endm\n\t"                                                                           \
            "adr.w  r12, 1f\n\t"                                                                  \
            "add    r3, r3, r12\n\t"                                                              \
            "orr    r3, r3, #1\n\t"                                                               \
            "push   {r0-r11, lr}\n\t"                                                             \
            "ldr    r1, [sp, #52]\n\t"                                                            \
            "b.w    3f\n\t"                                                                       \
            ".balign 4\n"                                                                         \
            "1:\n\t"                                                                              \
            ".rept 8\n\t" TINYC_HALVES_ROW                                                        \
            ".endr\n\t"                                                                           \
            "ldr    r2, [sp, #8]\n\t"                                                             \
            "cmp    r1, r2\n\t"                                                                   \
            "bne.w  1b\n\t"                                                                       \
            "str    r0, [sp]\n\t"                                                                 \
            "ldr    r1, [sp, #52]\n\t"                                                            \
            "ldr.w  lr, [sp, #60]\n\t" scale                                                      \
            "tinyc_channel 4, 8, r4, r5\n\t"                                                      \
            "tinyc_channel 16, 20, r6, r7\n\t"                                                    \
            "tinyc_channel 28, 32, r8, r9\n\t"                                                    \
            "tinyc_channel 40, 44, r10, r11\n\t"                                                  \
            ".purgem tinyc_channel\n\t"                                                           \
            "bfi    r4, r6, #8, #8\n\t"                                                           \
            "bfi    r5, r7, #8, #8\n\t"                                                           \
            "bfi    r4, r8, #16, #8\n\t"                                                          \
            "bfi    r5, r9, #16, #8\n\t"                                                          \
            "bfi    r4, r10, #24, #8\n\t"                                                         \
            "bfi    r5, r11, #24, #8\n\t"                                                         \
            "ldr.w  r12, [sp, #56]\n\t"                                                           \
            "ldr    r2, [sp, #64]\n\t"                                                            \
            "ldr    r3, [sp, #68]\n\t"                                                            \
            "str    r5, [r2, r3]\n\t"                                                             \
            "str    r4, [r2], #4\n\t"                                                             \
            "str    r2, [sp, #64]\n\t"                                                            \
            "adds   r1, #48\n\t"                                                                  \
            "cmp    r1, r12\n\t"                                                                  \
            "beq    4f\n"                                                                         \
            "3:\n\t"                                                                              \
            "str    r1, [sp, #52]\n\t"                                                            \
            "ldr    r4, [r1]\n\t"                                                                 \
            "ldr    r6, [r1, #12]\n\t"                                                            \
            "ldr.w  r8, [r1, #24]\n\t"                                                            \
            "ldr.w  r10, [r1, #36]\n\t"                                                           \
            "ldr    r0, [sp]\n\t"                                                                 \
            "ldr    r1, [sp, #4]\n\t"                                                             \
            "ldr    r2, [sp, #12]\n\t"                                                            \
            "mov    r5, r4\n\t"                                                                   \
            "mov    r7, r6\n\t"                                                                   \
            "mov    r9, r8\n\t"                                                                   \
            "mov    r11, r10\n\t"                                                                 \
            "bx     r2\n"                                                                         \
            "4:\n\t"                                                                              \
            "add    sp, sp, #16\n\t"                                                              \
            "pop    {r4-r11, pc}\n\t");                                                           \
    }

TINYC_DEFINE_HALVES(tinyc_halves_away, TINYC_HALVES_TWICE, TINYC_HALVES_AWAY)

TINYC_DEFINE_HALVES(tinyc_halves_lowest, TINYC_HALVES_TWICE, TINYC_HALVES_LOWEST)

TINYC_DEFINE_HALVES(tinyc_halves_once, TINYC_HALVES_ONCE, TINYC_HALVES_CUT)

#else

/* Channels c and c + 1 of one pixel into acc; `columns` are its own. */
TINYC_INLINE void tinyc_halves_sums(const int16_t *weights, const int16_t *columns,
                                    const int16_t *columns_end, const int32_t *table, int32_t *acc)
{
    uint32_t low = (uint32_t)table[0];
    uint32_t both = (uint32_t)table[3];

    for (; columns < columns_end; weights += 4, columns += 4) {
        for (int32_t i = 0; i < 2; i++) {
            low += (uint32_t)((int8_t)(weights[i] & 0xff) * columns[i]);
            both += (uint32_t)(weights[i] * columns[i]);
        }
    }
    acc[0] = (int32_t)low;
    acc[1] = (int32_t)(both - low) >> 8;
}

/* Of a sum, a multiplier and half, shifted up. */
typedef int32_t tinyc_halves_product(int32_t acc, int32_t multiplier, int32_t half);

TINYC_INLINE int32_t tinyc_product_away(int32_t acc, int32_t multiplier, int32_t half)
{
    return tinyc_smmlar(acc * 2, multiplier, half + (acc >> 31));
}

TINYC_INLINE int32_t tinyc_product_lowest(int32_t acc, int32_t multiplier, int32_t half)
{
    return tinyc_smmlar(acc * 2, multiplier, half);
}

TINYC_INLINE int32_t tinyc_product_once(int32_t acc, int32_t multiplier, int32_t half)
{
    return tinyc_smmla(acc, multiplier, half);
}

TINYC_INLINE int8_t tinyc_halves_output(int32_t acc, const int32_t *channel, int32_t half,
                                        tinyc_halves_product *product)
{
    const int32_t shift = channel[2];
    return (int8_t)tinyc_ssat8((product(acc, channel[1], half * (1 << shift)) >> shift) >> 1);
}

/* The function `name` whose high products are those of `product`. */
#define TINYC_DEFINE_HALVES(name, product)                                                        \
    static TINYC_SHARED void name(const int16_t *weights, const int16_t *columns,                 \
                                  const int16_t *columns_end, int32_t skip, const int32_t *table, \
                                  const int32_t *table_end, int32_t half, int8_t *out,            \
                                  int32_t to_second)                                              \
    {                                                                                             \
        (void)skip;                                                                               \
        for (; table != table_end; weights += columns_end - columns, table += 12, out += 4) {     \
            for (int32_t i = 3; i >= 0; i--) { /* the second pixel's first */                     \
                const int32_t c = i % 2 * 2, p = i / 2;                                           \
                int32_t acc[2];                                                                   \
                tinyc_halves_sums(weights + c, columns + 2 * p, columns_end, table + 3 * c, acc); \
                out[p * to_second + c] =                                                          \
                    tinyc_halves_output(acc[0], table + 3 * c, half, product);                    \
                out[p * to_second + c + 1] =                                                      \
                    tinyc_halves_output(acc[1], table + 3 * c + 3, half, product);                \
            }                                                                                     \
        }                                                                                         \
    }

TINYC_DEFINE_HALVES(tinyc_halves_away, tinyc_product_away)

TINYC_DEFINE_HALVES(tinyc_halves_lowest, tinyc_product_lowest)

TINYC_DEFINE_HALVES(tinyc_halves_once, tinyc_product_once)

#endif

#endif
