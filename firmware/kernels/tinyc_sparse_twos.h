/* One row of inputs after the other over the weights that are not zero, two of them in a product.
 *
 * sequence: inputs, of which each two neighbours make a word of halfwords, the first in the lower
 *           one; a multiple of sixteen words;
 * units: of each channel one at least, of 12 bytes: the places of four words; the weights of the
 *        lower halves of the first two, and of their upper halves; those of the other two. Places
 *        are numbers of words, or how many words lie between them and the last one of the unit
 *        before (the first unit: the first word), as functions are called near or far;
 * table: three words of each channel: bias, multiplier, and the right shift plus 2^8 times the
 *        number of its units less one; of one more channel the last word is negative. */
#ifndef TINYC_SPARSE_TWOS_H
#define TINYC_SPARSE_TWOS_H

#include "tinyc_dsp.h"

/* Channels of `table`; half: 1 + 2 * the output's zero point. */
typedef void tinyc_sparse_twos_row(const int32_t *units, const uint32_t *words,
                                   const int32_t *table, int32_t half, int8_t *out);

/* Units that the code has one after another, a power of two. */
#if TINYC_SMALL
#define TINYC_SPARSE_UNITS 2
#else
#define TINYC_SPARSE_UNITS 16
#endif

#if TINYC_DSP

/* Loads that follow each other take half the time. r0: sequence, r1: inputs, r2: words, up to r3.
 */
__attribute__((naked, noinline, unused)) static void tinyc_sparse_twos_put(
    __attribute__((unused)) const uint16_t *sequence, __attribute__((unused)) const int8_t *in,
    __attribute__((unused)) uint32_t *words, __attribute__((unused)) const uint32_t *end)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r4-r11, lr}\n\t"
        "ldrh.w r4, [r0], #2\n\t"
        "ldrsb.w r4, [r1, r4]\n\t"
        ".balign 4\n"
        "1:\n\t"
        ".rept  2\n\t"
        ".irp   x, r5, r6, r7, r8, r9, r10, r11, r12\n\t"
        "ldrh.w \\x, [r0], #2\n\t"
        ".endr\n\t"
        ".irp   x, r5, r6, r7, r8, r9, r10, r11, r12\n\t"
        "ldrsb.w \\x, [r1, \\x]\n\t"
        ".endr\n\t"
        "pkhbt  r4, r4, r5, lsl #16\n\t"
        "pkhbt  r5, r5, r6, lsl #16\n\t"
        "pkhbt  r6, r6, r7, lsl #16\n\t"
        "pkhbt  r7, r7, r8, lsl #16\n\t"
        "pkhbt  r8, r8, r9, lsl #16\n\t"
        "pkhbt  r9, r9, r10, lsl #16\n\t"
        "pkhbt  r10, r10, r11, lsl #16\n\t"
        "pkhbt  r11, r11, r12, lsl #16\n\t"
        ".irp   word, r4, r5, r6, r7, r8, r9, r10, r11\n\t"
        "str.w  \\word, [r2], #4\n\t"
        ".endr\n\t"
        "mov.w  r4, r12\n\t"
        ".endr\n\t"
        "cmp.w  r2, r3\n\t"
        "bne.w  1b\n\t"
        "pop    {r4-r11, pc}\n\t");
}

/* Eight multiply-accumulates: r0: units, moved on; r1: the word from which places count; r11: the
 * sum. */
#define TINYC_SPARSE_UNIT(on)            \
    "ldr.w  r8, [r0, #4]\n\t"            \
    "ldr.w  r9, [r0, #8]\n\t"            \
    "ldrb.w r5, [r0, #1]\n\t"            \
    "ldrb.w r6, [r0, #2]\n\t"            \
    "ldrb.w r7, [r0, #3]\n\t"            \
    "ldrb.w r4, [r0], #12\n\t"           \
    "ldr.w  r5, [r1, r5, lsl #2]\n\t"    \
    "ldr.w  r6, [r1, r6, lsl #2]\n\t"    \
    "ldr.w  r3, [r1, r7, lsl #2]\n\t"    \
    "ldr.w  r4, [r1, r4, lsl #2]\n\t" on \
    "sxtb16 r7, r8\n\t"                  \
    "smlad  r11, r4, r7, r11\n\t"        \
    "sxtb16 r8, r8, ror #8\n\t"          \
    "smlad  r11, r5, r8, r11\n\t"        \
    "sxtb16 r7, r9\n\t"                  \
    "smlad  r11, r6, r7, r11\n\t"        \
    "sxtb16 r9, r9, ror #8\n\t"          \
    "smlad  r11, r3, r9, r11\n\t"

#define TINYC_SPARSE_ON_NEAR ""
#define TINYC_SPARSE_ON_FAR  "add.w  r1, r1, r7, lsl #2\n\t"

/* What else begins a channel. */
#define TINYC_SPARSE_START_NEAR ""
#define TINYC_SPARSE_START_FAR  "mov.w  r1, r2\n\t"

/* r2: words, r10: table, r12: out, lr: units that are left, less one; the stack: half. A channel
 * without units left makes its output of the sum in r11 by the multiplier in r4 and the shift in
 * the lowest byte of r5, see tinyc_halves.h, while r3 is the next one's bias. */
#define TINYC_DEFINE_SPARSE_TWOS(name, on, start)                                             \
    __attribute__((naked, noinline, unused)) static void name(                                \
        __attribute__((unused)) const int32_t *units,                                         \
        __attribute__((unused)) const uint32_t *words,                                        \
        __attribute__((unused)) const int32_t *table, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out)                                                  \
    {                                                                                         \
        __asm__ volatile(                                                                   \
            ".syntax unified\n\t"                                                           \
            "push   {r3-r11, lr}\n\t"                                                       \
            "mov    r10, r2\n\t"                                                            \
            "mov    r2, r1\n\t"                                                             \
            "ldr.w  r12, [sp, #40]\n\t"                                                     \
            "ldr.w  r11, [r10]\n\t"                                                         \
            "ldr.w  lr, [r10, #8]\n\t"                                                      \
            "asr    lr, lr, #8\n\t"                                                         \
            "b.w    2f\n\t"                                                                 \
            ".balign 4\n"                                                                   \
            "1:\n\t"                                                                        \
            "ldr.w  r4, [r10, #4]\n\t"                                                      \
            "ldr.w  r5, [r10, #8]\n\t"                                                      \
            "ldr.w  r3, [r10, #12]!\n\t"                                                    \
            "ldr.w  lr, [r10, #8]\n\t"                                                      \
            "ldr.w  r6, [sp]\n\t"                                                           \
            "lsl    r6, r6, r5\n\t"                                                         \
            "smmla  r11, r11, r4, r6\n\t"                                                   \
            "asr    r11, r11, r5\n\t"                                                       \
            "ssat   r11, #8, r11, asr #1\n\t"                                               \
            "strb.w r11, [r12], #1\n\t"                                                     \
            "mov.w  r11, r3\n\t" start                                                      \
            "asrs.w lr, lr, #8\n\t"                                                         \
            "bmi.w  5f\n"                                                                   \
            "2:\n\t"                                                                        \
            "and    r4, lr, #" TINYC_TEXT(TINYC_SPARSE_UNITS) " - 1\n\t"                    \
            "tbh    [pc, r4, lsl #1]\n"                                                     \
            "3:\n\t"                                                                        \
            ".set   tinyc_left, " TINYC_TEXT(TINYC_SPARSE_UNITS) "\n\t"                     \
            ".rept  " TINYC_TEXT(TINYC_SPARSE_UNITS) "\n\t"                                 \
            ".set   tinyc_left, tinyc_left - 1\n\t"                                         \
            ".2byte (4f - 3b + tinyc_left * ((6f - 4f) / "                                  \
                TINYC_TEXT(TINYC_SPARSE_UNITS) ")) / 2\n\t"                                 \
            ".endr\n\t"                                                                     \
            ".balign 4\n"                                                                   \
            "4:\n\t"                                                                        \
            ".rept  " TINYC_TEXT(TINYC_SPARSE_UNITS) "\n\t" TINYC_SPARSE_UNIT(on) ".endr\n" \
            "6:\n\t"                                                                        \
            "subs.w lr, lr, #" TINYC_TEXT(TINYC_SPARSE_UNITS) "\n\t"                        \
            "bmi.w  1b\n\t"                                                                 \
            "b.w    4b\n"                                                                   \
            "5:\n\t"                                                                        \
            "pop    {r3-r11, pc}\n\t"); \
    }

TINYC_DEFINE_SPARSE_TWOS(tinyc_sparse_twos_near, TINYC_SPARSE_ON_NEAR, TINYC_SPARSE_START_NEAR)

TINYC_DEFINE_SPARSE_TWOS(tinyc_sparse_twos_far, TINYC_SPARSE_ON_FAR, TINYC_SPARSE_START_FAR)

#else

static TINYC_SHARED void tinyc_sparse_twos_put(const uint16_t *sequence, const int8_t *in,
                                               uint32_t *words, const uint32_t *end)
{
    for (; words != end; words++, sequence++) {
        *words = ((uint32_t)in[sequence[0]] & 0xffffU) | (uint32_t)in[sequence[1]] << 16;
    }
}

/* The function `name` whose places count on from unit to unit, or do not. */
#define TINYC_DEFINE_SPARSE_TWOS(name, on)                                                 \
    static TINYC_SHARED void name(const int32_t *units, const uint32_t *words,             \
                                  const int32_t *table, int32_t half, int8_t *out)         \
    {                                                                                      \
        for (; table[2] >= 0; table += 3) {                                                \
            const int32_t shift = table[2] & 0xff;                                         \
            const uint32_t *from = words;                                                  \
            int32_t acc = table[0];                                                        \
            for (int32_t n = table[2] >> 8; n >= 0; n--, units += 3) {                     \
                const uint8_t *const places = (const uint8_t *)units;                      \
                for (int32_t i = 0; i < 4; i++) {                                          \
                    const int8_t *const weights = (const int8_t *)units + 4 + i + (i & 2); \
                    const uint32_t word = from[places[i]];                                 \
                    acc += (int16_t)(word & 0xffffU) * weights[0];                         \
                    acc += (int16_t)(word >> 16) * weights[2];                             \
                }                                                                          \
                from += (on) ? places[3] : 0;                                              \
            }                                                                              \
            const int32_t y = tinyc_smmla(acc, table[1], half * (1 << shift)) >> shift;    \
            *out++ = (int8_t)tinyc_ssat8_asr1(y);                                          \
        }                                                                                  \
    }

TINYC_DEFINE_SPARSE_TWOS(tinyc_sparse_twos_near, 0)

TINYC_DEFINE_SPARSE_TWOS(tinyc_sparse_twos_far, 1)

#endif

TINYC_INLINE void tinyc_dense_sparse_twos(const int8_t *in, int8_t *out, uint8_t *scratch,
                                          const uint16_t *sequence, const int32_t *units,
                                          const int32_t *table, int32_t rows, int32_t depth,
                                          int32_t channels, int32_t count, int32_t zero_point,
                                          int32_t low, int32_t high, tinyc_sparse_twos_row *row)
{
    uint32_t *const words = (uint32_t *)(void *)scratch;

    for (int32_t n = 0; n < rows; n++, in += depth, out += channels) {
        tinyc_sparse_twos_put(sequence, in, words, words + count);
        row(units, words, table, 1 + 2 * zero_point, out);
        if (low != INT8_MIN || high != INT8_MAX) {
            tinyc_clamp_bytes(out, channels, low, high);
        }
    }
}

#endif
