/* One row of inputs after the other over the weights that are not zero, four at a time.
 *
 * entries: those of tinyc_sparse.h without their numbers, in whole fours, one at least, by
 *          entries without weight; another four follow those of the last channel;
 * table: three words of each channel: bias, multiplier, and the right shift plus 2^8 times its
 * number of fours. */
#ifndef TINYC_SPARSE_ROW_DSP_H
#define TINYC_SPARSE_ROW_DSP_H

#include "tinyc_dsp.h"

/* Channels of `table` up to `table_end`; half: 1 + 2 * the output's zero point. */
typedef void tinyc_sparse_row(const uint16_t *entries, const int8_t *in, const int32_t *table,
                              const int32_t *table_end, int32_t half, int8_t *out);

/* Fours that the code has one after another, a power of two. */
#if TINYC_SMALL
#define TINYC_SPARSE_FOURS 2
#else
#define TINYC_SPARSE_FOURS 8
#endif

#if TINYC_DSP

/* Four entries, which lie in a and b, while c and d are loaded: 4 multiply-accumulates. r0:
 * entries, r1: the last one's input, both moved on; r8: the sum. Loads that follow each other take
 * half the time. */
#define TINYC_SPARSE_FOUR(a, b, c, d) \
    "uxtab  r4, r1, " a               \
    "\n\t"                            \
    "uxtab  r5, r4, " a               \
    ", ror #16\n\t"                   \
    "uxtab  r6, r5, " b               \
    "\n\t"                            \
    "uxtab  r1, r6, " b               \
    ", ror #16\n\t"                   \
    "ldrsb.w r4, [r4]\n\t"            \
    "ldrsb.w r5, [r5]\n\t"            \
    "ldrsb.w r6, [r6]\n\t"            \
    "ldrsb.w r7, [r1]\n\t"            \
    "ldr    " c                       \
    ", [r0], #4\n\t"                  \
    "ldr    " d                       \
    ", [r0], #4\n\t"                  \
    "sxtb16 " a ", " a                \
    ", ror #8\n\t"                    \
    "sxtb16 " b ", " b                \
    ", ror #8\n\t"                    \
    "smlabb r8, r4, " a               \
    ", r8\n\t"                        \
    "smlabt r8, r5, " a               \
    ", r8\n\t"                        \
    "smlabb r8, r6, " b               \
    ", r8\n\t"                        \
    "smlabt r8, r7, " b ", r8\n\t"

/* What follows makes an output in r8 of the sum there; r4: the channel's multiplier; r5: its right
 * shift in the lowest byte; r12: half. See tinyc_halves.h. */
#define TINYC_SPARSE_ROW_AWAY        \
    "lsl    r8, r8, #1\n\t"          \
    "lsl    r6, r12, r5\n\t"         \
    "add    r6, r6, r8, asr #31\n\t" \
    "smmlar r8, r8, r4, r6\n\t"      \
    "asr    r8, r8, r5\n\t"          \
    "ssat   r8, #8, r8, asr #1\n\t"

#define TINYC_SPARSE_ROW_ONCE   \
    "lsl    r6, r12, r5\n\t"    \
    "smmla  r8, r8, r4, r6\n\t" \
    "asr    r8, r8, r5\n\t"     \
    "ssat   r8, #8, r8, asr #1\n\t"

#define TINYC_SPARSE_FOURS_PASS                                                                   \
    ".rept " TINYC_TEXT(TINYC_SPARSE_FOURS) " / 2\n\t" TINYC_SPARSE_FOUR("r2", "r3", "r9", "r10") \
        TINYC_SPARSE_FOUR("r9", "r10", "r2", "r3") ".endr\n\t"

/* Of r4, as many fours as lie before the end: how many the first pass leaves out. */
#define TINYC_SPARSE_FOURS_LEFT_OUT \
    "rsb    r4, r4, #0\n\t"         \
    "and    r4, r4, #" TINYC_TEXT(TINYC_SPARSE_FOURS) " - 1\n\t"

/* r11: table. The stack: inputs, table, its end, what is pushed besides; from 48 half and out. */
#define TINYC_DEFINE_SPARSE_ROW(name, output)                                                      \
    __attribute__((naked, noinline, unused)) static void name(                                     \
        __attribute__((unused)) const uint16_t *entries, __attribute__((unused)) const int8_t *in, \
        __attribute__((unused)) const int32_t *table,                                              \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,    \
        __attribute__((unused)) int8_t *out)                                                       \
    {                                                                                              \
        __asm__ volatile(                                                                          \
            ".syntax unified\n\t"                                                                  \
            "push   {r1-r11, lr}\n\t"                                                              \
            "mov    r11, r2\n\t"                                                                   \
            "ldr    r12, [sp, #48]\n\t"                                                            \
            "ldr    r2, [r0], #4\n\t"                                                              \
            "ldr    r3, [r0], #4\n\t"                                                              \
            "b.w    2f\n\t"                                                                        \
            ".balign 4\n"                                                                          \
            "1:\n\t" TINYC_SPARSE_FOURS_PASS                                                       \
            "cmp    r0, lr\n\t"                                                                    \
            "bne.w  1b\n\t"                                                                        \
            "ldr    r4, [r11, #4]\n\t"                                                             \
            "ldr    r5, [r11, #8]\n\t"                                                             \
            "ldr    r7, [sp, #52]\n\t" output                                                      \
            "ldr    r6, [sp, #8]\n\t"                                                              \
            "strb   r8, [r7], #1\n\t"                                                              \
            "str    r7, [sp, #52]\n\t"                                                             \
            "add    r11, r11, #12\n\t"                                                             \
            "cmp    r11, r6\n\t"                                                                   \
            "beq    3f\n"                                                                          \
            "2:\n\t"                                                                               \
            "ldr    r8, [r11]\n\t"                                                                 \
            "ldr    r4, [r11, #8]\n\t"                                                             \
            "ldr    r1, [sp]\n\t"                                                                  \
            "mov    r9, r2\n\t"                                                                    \
            "mov    r10, r3\n\t"                                                                   \
            "lsr    r4, r4, #8\n\t"                                                                \
            "add    lr, r0, r4, lsl #3\n\t" TINYC_SPARSE_FOURS_LEFT_OUT                            \
            "adr.w  r5, 1b\n\t"                                                                    \
            "add    r5, r5, r4, lsl #6\n\t"                                                        \
            "orr    r5, r5, #1\n\t"                                                                \
            "bx     r5\n"                                                                          \
            "3:\n\t"                                                                               \
            "add    sp, sp, #12\n\t"                                                               \
            "pop    {r4-r11, pc}\n\t");                                                            \
    }

TINYC_DEFINE_SPARSE_ROW(tinyc_sparse_row_away, TINYC_SPARSE_ROW_AWAY)

TINYC_DEFINE_SPARSE_ROW(tinyc_sparse_row_once, TINYC_SPARSE_ROW_ONCE)

#else

/* Of a sum and a channel's words. */
typedef int8_t tinyc_sparse_row_output(int32_t acc, const int32_t *channel, int32_t half);

TINYC_INLINE int8_t tinyc_sparse_row_output_away(int32_t acc, const int32_t *channel, int32_t half)
{
    const int32_t shift = channel[2] & 0xff;
    const int32_t up = half * (1 << shift) + (acc >> 31);
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmlar(acc * 2, channel[1], up) >> shift);
}

TINYC_INLINE int8_t tinyc_sparse_row_output_once(int32_t acc, const int32_t *channel, int32_t half)
{
    const int32_t shift = channel[2] & 0xff;
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmla(acc, channel[1], half * (1 << shift)) >> shift);
}

/* The function `name` whose outputs are those of `output`. */
#define TINYC_DEFINE_SPARSE_ROW(name, output)                                                      \
    static TINYC_SHARED void name(const uint16_t *entries, const int8_t *in, const int32_t *table, \
                                  const int32_t *table_end, int32_t half, int8_t *out)             \
    {                                                                                              \
        for (; table != table_end; table += 3) {                                                   \
            const uint16_t *const end = entries + 4 * (table[2] >> 8);                             \
            const int8_t *x = in;                                                                  \
            int32_t acc = table[0];                                                                \
            for (; entries != end; entries++) {                                                    \
                x += *entries & 0xff;                                                              \
                acc += *x * (int8_t)(*entries >> 8);                                               \
            }                                                                                      \
            *out++ = output(acc, table, half);                                                     \
        }                                                                                          \
    }

TINYC_DEFINE_SPARSE_ROW(tinyc_sparse_row_away, tinyc_sparse_row_output_away)

TINYC_DEFINE_SPARSE_ROW(tinyc_sparse_row_once, tinyc_sparse_row_output_once)

#endif

TINYC_INLINE void tinyc_dense_sparse_dsp(const int8_t *in, int8_t *out, const uint16_t *entries,
                                         const int32_t *table, int32_t rows, int32_t depth,
                                         int32_t channels, int32_t zero_point, int32_t low,
                                         int32_t high, tinyc_sparse_row *row)
{
    for (int32_t n = 0; n < rows; n++, in += depth, out += channels) {
        row(entries, in, table, table + 3 * channels, 1 + 2 * zero_point, out);
        if (low != INT8_MIN || high != INT8_MAX) {
            tinyc_clamp_bytes(out, channels, low, high);
        }
    }
}

#endif
