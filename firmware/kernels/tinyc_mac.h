/* Sums of two channels of pixels from columns of int16 inputs, by the DSP extension.
 *
 * columns: for each pair of inputs one row of four words, one word for each pixel.
 * weights: for each pair of channels, for each of those rows, one word of four bytes
 *          c0a c1a c0b c1b, where (a, b) is the row's pair of inputs. */
#ifndef TINYC_MAC_H
#define TINYC_MAC_H

#include "tinyc_dsp.h"

/* acc[0..3] and acc[4..7]: channels 0 and 1 of four pixels. */
TINYC_INLINE void tinyc_mac_rows(const int8_t *weights, const int16_t *columns, int32_t *acc,
                                 const int8_t *end)
{
    for (; weights != end; weights += 4, columns += 8) {
        for (int i = 0; i < 4; i++) {
            const int32_t a = columns[2 * i];
            const int32_t b = columns[2 * i + 1];
            acc[i] += weights[0] * a + weights[2] * b;
            acc[4 + i] += weights[1] * a + weights[3] * b;
        }
    }
}

#if TINYC_DSP

/* 16 multiply-accumulates: the pairs of weights of two channels in r2 and r3 by those of inputs of
 * two pixels in r12 and lr, and of the next two from r1 on. r4 to r7 and r8 to r11: sums of
 * channels 0 and 1. */
#define TINYC_MAC_PRODUCTS_2X4     \
    "smlad  r4, r2, r12, r4\n\t"   \
    "smlad  r8, r3, r12, r8\n\t"   \
    "smlad  r5, r2, lr, r5\n\t"    \
    "smlad  r9, r3, lr, r9\n\t"    \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    lr, [r1], #4\n\t"      \
    "smlad  r6, r2, r12, r6\n\t"   \
    "smlad  r10, r3, r12, r10\n\t" \
    "smlad  r7, r2, lr, r7\n\t"    \
    "smlad  r11, r3, lr, r11\n\t"

/* tinyc_mac_rows of one row, by 5 loads, 2 SXTB16, 8 SMLAD. r0: weights, r1: columns, both moved
 * on; r2, r3, r12 and lr are lost. */
#define TINYC_MAC_ROW_2X4      \
    "ldr    r3, [r0], #4\n\t"  \
    "ldr    r12, [r1], #4\n\t" \
    "ldr    lr, [r1], #4\n\t"  \
    "sxtb16 r2, r3\n\t"        \
    "sxtb16 r3, r3, ror #8\n\t" TINYC_MAC_PRODUCTS_2X4

/* tinyc_mac_rows of sums that begin with table[0] and table[3]; the weights' length up to `end` is
 * a multiple of four words. */
__attribute__((naked, noinline, unused)) static void tinyc_mac_2x4(
    __attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int16_t *columns,
    __attribute__((unused)) const int32_t *table, __attribute__((unused)) int32_t *acc,
    __attribute__((unused)) const int8_t *end)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r3-r11, lr}\n\t"
        "ldr    r4, [r2]\n\t"
        "ldr    r8, [r2, #12]\n\t"
        "mov    r5, r4\n\t"
        "mov    r6, r4\n\t"
        "mov    r7, r4\n\t"
        "mov    r9, r8\n\t"
        "mov    r10, r8\n\t"
        "mov    r11, r8\n"
        "1:\n\t"
        ".rept 4\n\t" TINYC_MAC_ROW_2X4
        ".endr\n\t"
        "ldr    r2, [sp, #40]\n\t"
        "cmp    r0, r2\n\t"
        "bne    1b\n\t"
        "pop    {r3}\n\t"
        "stmia  r3!, {r4-r11}\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

static TINYC_SHARED void tinyc_mac_2x4(const int8_t *weights, const int16_t *columns,
                                       const int32_t *table, int32_t *acc, const int8_t *end)
{
    for (int i = 0; i < 4; i++) {
        acc[i] = table[0];
        acc[4 + i] = table[3];
    }
    tinyc_mac_rows(weights, columns, acc, end);
}

#endif

#endif
