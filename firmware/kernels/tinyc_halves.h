/* Sums of four channels of two pixels, the weights of two channels in each halfword, by the DSP
 * extension.
 *
 * columns: for each pair of inputs (a, b) two words of int16, one for each pixel;
 * weights: for each four channels c0 to c3, for each such row, four halfwords:
 *          c0a + 256 * c1a, c0b + 256 * c1b, c2a + 256 * c3a, c2b + 256 * c3b;
 * table: three words of each channel, see the ways of rounding.
 *
 * SMLAD of such halfwords adds up A + 256 * B of two channels, and of their lower bytes alone,
 * which SXTB16 widens, A: nothing unpacks the upper ones. Sums wrap around: B is right below 2^23.
 *
 * Ways of rounding, and the words of a channel after its bias:
 *
 * - away, once: twice, halves away from zero, and once: multiplier and right shift, the shift less
 *   the kernel's last steps. half: 1 + 2 * the output's zero point. Shifted up and added to a high
 *   product, it rounds the last bit of what is shifted down again, and adds the zero point; shifts
 *   are at most 23 altogether;
 *
 * - lowest: twice, of the zero point -128: multiplier and addend of tinyc_finish_s8_lowest;
 *
 * - steep: likewise, of larger multipliers: the product leaves the output times 2^8. */
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

/* Rows that the code has one after another: those of 3x3 windows of 16, 32 and more channels are a
 * multiple; and what the first pass over them leaves out, so that the others are whole. */
#if TINYC_SMALL
#define TINYC_HALVES_ROWS 2
#else
#define TINYC_HALVES_ROWS 18
#endif
#define TINYC_HALVES_ROW_BYTES 56

TINYC_INLINE int32_t tinyc_halves_skip(int32_t rows)
{
    return ((rows + TINYC_HALVES_ROWS - 1) / TINYC_HALVES_ROWS * TINYC_HALVES_ROWS - rows) *
           TINYC_HALVES_ROW_BYTES;
}

#if TINYC_DSP

/* One row, 16 multiply-accumulates, by 4 loads, 2 SXTB16, 8 SMLAD. r0: weights, r1: columns, both
 * moved on; r4, r6, r8, r10: sums of the first pixel, those behind them of the second. Loads that
 * follow each other take half the time, or none each beside a product: there each row loads three
 * words of the next one, the first row's come before, and the last one has none. */
#if TINYC_DUAL_ISSUE
#define TINYC_HALVES_BEFORE    \
    "ldr    r2, [r0], #4\n\t"  \
    "ldr    r12, [r1], #4\n\t" \
    "ldr    lr, [r1], #4\n\t"
#define TINYC_HALVES_PRODUCTS(next_weights, next_first, next_second)                 \
    "smlad  r6, r2, r12, r6\n\t"                                                     \
    "ldr    r3, [r0], #4\n\t"                                                        \
    "smlad  r7, r2, lr, r7\n\t"                                                      \
    "sxtb16 r2, r2\n\t"                                                              \
    "smlad  r10, r3, r12, r10\n\t"                                                   \
    "smlad  r11, r3, lr, r11\n\t"                                                    \
    "sxtb16 r3, r3\n\t"                                                              \
    "smlad  r4, r2, r12, r4\n\t"                                                     \
    "smlad  r5, r2, lr, r5\n\t" next_weights "smlad  r8, r3, r12, r8\n\t" next_first \
    "smlad  r9, r3, lr, r9\n\t" next_second
#define TINYC_HALVES_ROW                                                         \
    TINYC_HALVES_PRODUCTS("ldr    r2, [r0], #4\n\t", "ldr    r12, [r1], #4\n\t", \
                          "ldr    lr, [r1], #4\n\t")
#define TINYC_HALVES_LAST TINYC_HALVES_PRODUCTS("", "", "")
#else
#define TINYC_HALVES_BEFORE
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
#define TINYC_HALVES_LAST TINYC_HALVES_ROW
#endif

#define TINYC_HALVES_REPEAT ".rept " TINYC_TEXT(TINYC_HALVES_ROWS) " - 1\n\t"
#define TINYC_HALVES_PASS   TINYC_HALVES_REPEAT TINYC_HALVES_ROW ".endr\n\t" TINYC_HALVES_LAST

/* What follows makes outputs in r4 to r11, of a channel in every two of them, of the sums that
 * `sums` leaves there times 2, 256 or 1; r1: the table of four channels. Those of channels are of
 * \a and \b, two pixels.
 *
 * Rounded twice: the sums times 2, whose high products SMMLAR rounds, halves away from zero. */
#define TINYC_FOUR_AWAY(sums)              \
    ".macro tinyc_channel first, a, b\n\t" \
    "ldr    r12, [r1, #\\first + 4]\n\t"   \
    "ldr    r2, [r1, #\\first]\n\t"        \
    "lsl    r3, lr, r12\n\t"               \
    "add    r0, r3, \\a, asr #31\n\t"      \
    "add    r3, r3, \\b, asr #31\n\t"      \
    "smmlar \\a, \\a, r2, r0\n\t"          \
    "smmlar \\b, \\b, r2, r3\n\t"          \
    "asr    \\a, \\a, r12\n\t"             \
    "asr    \\b, \\b, r12\n\t"             \
    "ssat   \\a, #8, \\a, asr #1\n\t"      \
    "ssat   \\b, #8, \\b, asr #1\n\t"      \
    ".endm\n\t"                            \
    "str    r0, [sp]\n\t" sums             \
    "ldr.w  lr, [sp, #60]\n\t"             \
    "tinyc_channel 4, r4, r5\n\t"          \
    "tinyc_channel 16, r6, r7\n\t"         \
    "tinyc_channel 28, r8, r9\n\t"         \
    "tinyc_channel 40, r10, r11\n\t"       \
    ".purgem tinyc_channel\n\t"            \
    "ldr    r0, [sp]\n\t"

/* The same where the zero point is -128, from two channels' words on: times 256. `shift` takes the
 * outputs out of the products. */
#define TINYC_FOUR_PRODUCTS(sums, shift)               \
    ".macro tinyc_channels first, a, b, c, d\n\t"      \
    "ldr    r2, [r1, #\\first]\n\t"                    \
    "ldr    r3, [r1, #\\first + 4]\n\t"                \
    "ldr    r12, [r1, #\\first + 12]\n\t"              \
    "ldr    lr, [r1, #\\first + 16]\n\t"               \
    "smmla  \\a, \\a, r2, r3\n\t"                      \
    "smmla  \\b, \\b, r2, r3\n\t"                      \
    "smmla  \\c, \\c, r12, lr\n\t"                     \
    "smmla  \\d, \\d, r12, lr\n\t"                     \
    "ssat   \\a, #8, \\a, " shift                      \
    "\n\t"                                             \
    "ssat   \\b, #8, \\b, " shift                      \
    "\n\t"                                             \
    "ssat   \\c, #8, \\c, " shift                      \
    "\n\t"                                             \
    "ssat   \\d, #8, \\d, " shift "\n\t.endm\n\t" sums \
    "tinyc_channels 4, r4, r5, r6, r7\n\t"             \
    "tinyc_channels 28, r8, r9, r10, r11\n\t"          \
    ".purgem tinyc_channels\n\t"

#define TINYC_FOUR_LOWEST(sums) TINYC_FOUR_PRODUCTS(sums, "asr #12")
#define TINYC_FOUR_STEEP(sums)  TINYC_FOUR_PRODUCTS(sums, "asr #8")

/* Rounded once: the high products of the sums, times 1, are cut off. */
#define TINYC_FOUR_ONCE(sums)              \
    ".macro tinyc_channel first, a, b\n\t" \
    "ldr    r12, [r1, #\\first + 4]\n\t"   \
    "ldr    r2, [r1, #\\first]\n\t"        \
    "lsl    r3, lr, r12\n\t"               \
    "smmla  \\a, \\a, r2, r3\n\t"          \
    "smmla  \\b, \\b, r2, r3\n\t"          \
    "asr    \\a, \\a, r12\n\t"             \
    "asr    \\b, \\b, r12\n\t"             \
    "ssat   \\a, #8, \\a, asr #1\n\t"      \
    "ssat   \\b, #8, \\b, asr #1\n\t"      \
    ".endm\n\t" sums                       \
    "ldr.w  lr, [sp, #60]\n\t"             \
    "tinyc_channel 4, r4, r5\n\t"          \
    "tinyc_channel 16, r6, r7\n\t"         \
    "tinyc_channel 28, r8, r9\n\t"         \
    "tinyc_channel 40, r10, r11\n\t"       \
    ".purgem tinyc_channel\n\t"

/* Of such rows the sums of all channels, by four, of two pixels. r0 to r3: weights, columns, their
 * end, bytes of the code of rows that the first pass leaves out; the stack from 52 on, as r0 to r11
 * and lr lie before it: table, its end, half, out, bytes to the second pixel's.
 * enter: what brings the place in the code where the first pass begins to a register, from 12 on;
 * before: what a pass begins with; jump: to that place; outputs: one of those above. */
#define TINYC_FOUR_CHANNELS(enter, before, jump, pass, outputs) \
    ".syntax unified\n\t"                                       \
    "adr.w  r12, 2f\n\t"                                        \
    "add    r3, r3, r12\n\t"                                    \
    "orr    r3, r3, #1\n\t"                                     \
    "push   {r0-r11, lr}\n\t"                                   \
    "ldr    r1, [sp, #52]\n\t"                                  \
    "b.w    3f\n\t"                                             \
    ".balign 4\n"                                               \
    "1:\n\t" before "2:\n\t" pass                               \
    "ldr    r2, [sp, #8]\n\t"                                   \
    "cmp    r1, r2\n\t"                                         \
    "bne.w  1b\n\t"                                             \
    "ldr    r1, [sp, #52]\n\t" outputs                          \
    "bfi    r4, r6, #8, #8\n\t"                                 \
    "bfi    r5, r7, #8, #8\n\t"                                 \
    "bfi    r4, r8, #16, #8\n\t"                                \
    "bfi    r5, r9, #16, #8\n\t"                                \
    "bfi    r4, r10, #24, #8\n\t"                               \
    "bfi    r5, r11, #24, #8\n\t"                               \
    "ldr.w  r12, [sp, #56]\n\t"                                 \
    "ldr    r2, [sp, #64]\n\t"                                  \
    "ldr    r3, [sp, #68]\n\t"                                  \
    "str    r5, [r2, r3]\n\t"                                   \
    "str    r4, [r2], #4\n\t"                                   \
    "str    r2, [sp, #64]\n\t"                                  \
    "adds   r1, #48\n\t"                                        \
    "cmp    r1, r12\n\t"                                        \
    "beq    4f\n"                                               \
    "3:\n\t"                                                    \
    "str    r1, [sp, #52]\n\t"                                  \
    "ldr    r4, [r1]\n\t"                                       \
    "ldr    r6, [r1, #12]\n\t"                                  \
    "ldr.w  r8, [r1, #24]\n\t"                                  \
    "ldr.w  r10, [r1, #36]\n\t"                                 \
    "ldr    r1, [sp, #4]\n\t" enter                             \
    "mov    r5, r4\n\t"                                         \
    "mov    r7, r6\n\t"                                         \
    "mov    r9, r8\n\t"                                         \
    "mov    r11, r10\n\t" before jump                           \
    "4:\n\t"                                                    \
    "add    sp, sp, #16\n\t"                                    \
    "pop    {r4-r11, pc}\n\t"

#define TINYC_ENTER_R3 "ldr    r3, [sp, #12]\n\t"
#define TINYC_JUMP_R3  "bx     r3\n"

/* The sums A are in r4, r5, r8 and r9, A + 256 * B in those two behind. */
#define TINYC_HALVES_APART    \
    "sub    r6, r6, r4\n\t"   \
    "sub    r7, r7, r5\n\t"   \
    "sub    r10, r10, r8\n\t" \
    "sub    r11, r11, r9\n\t"

#define TINYC_HALVES_TWICE    \
    TINYC_HALVES_APART        \
    "asr    r6, r6, #7\n\t"   \
    "asr    r7, r7, #7\n\t"   \
    "asr    r10, r10, #7\n\t" \
    "asr    r11, r11, #7\n\t" \
    "lsl    r4, r4, #1\n\t"   \
    "lsl    r5, r5, #1\n\t"   \
    "lsl    r8, r8, #1\n\t"   \
    "lsl    r9, r9, #1\n\t"

#define TINYC_HALVES_256_TIMES \
    TINYC_HALVES_APART         \
    "lsl    r4, r4, #8\n\t"    \
    "lsl    r5, r5, #8\n\t"    \
    "lsl    r8, r8, #8\n\t"    \
    "lsl    r9, r9, #8\n\t"

#define TINYC_HALVES_ONE_TIME \
    TINYC_HALVES_APART        \
    "asr    r6, r6, #8\n\t"   \
    "asr    r7, r7, #8\n\t"   \
    "asr    r10, r10, #8\n\t" \
    "asr    r11, r11, #8\n\t"

#define TINYC_DEFINE_HALVES(name, outputs)                                                        \
    __attribute__((naked, noinline, unused)) static void name(                                    \
        __attribute__((unused)) const int16_t *weights,                                           \
        __attribute__((unused)) const int16_t *columns,                                           \
        __attribute__((unused)) const int16_t *columns_end, __attribute__((unused)) int32_t skip, \
        __attribute__((unused)) const int32_t *table,                                             \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t to_second)           \
    {                                                                                             \
        __asm__ volatile(TINYC_FOUR_CHANNELS(TINYC_ENTER_R3, TINYC_HALVES_BEFORE, TINYC_JUMP_R3,  \
                                             TINYC_HALVES_PASS, outputs));                        \
    }

TINYC_DEFINE_HALVES(tinyc_halves_away, TINYC_FOUR_AWAY(TINYC_HALVES_TWICE))

TINYC_DEFINE_HALVES(tinyc_halves_lowest, TINYC_FOUR_LOWEST(TINYC_HALVES_256_TIMES))

TINYC_DEFINE_HALVES(tinyc_halves_steep, TINYC_FOUR_STEEP(TINYC_HALVES_256_TIMES))

TINYC_DEFINE_HALVES(tinyc_halves_once, TINYC_FOUR_ONCE(TINYC_HALVES_ONE_TIME))

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

/* Of a sum and a channel's words. */
typedef int8_t tinyc_halves_output(int32_t acc, const int32_t *channel, int32_t half);

TINYC_INLINE int8_t tinyc_output_away(int32_t acc, const int32_t *channel, int32_t half)
{
    const int32_t shift = channel[2];
    const int32_t up = half * (1 << shift) + (acc >> 31);
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmlar(acc * 2, channel[1], up) >> shift);
}

TINYC_INLINE int8_t tinyc_output_lowest(int32_t acc, const int32_t *channel, int32_t half)
{
    (void)half;
    return tinyc_finish_s8_lowest(acc, channel[1], channel[2], INT8_MIN, INT8_MIN, INT8_MAX);
}

TINYC_INLINE int8_t tinyc_output_steep(int32_t acc, const int32_t *channel, int32_t half)
{
    const int32_t up = (int32_t)((uint32_t)acc << 8);

    (void)half;
    return (int8_t)tinyc_ssat8_asr8(tinyc_smmla(up, channel[1], channel[2]));
}

TINYC_INLINE int8_t tinyc_output_once(int32_t acc, const int32_t *channel, int32_t half)
{
    const int32_t shift = channel[2];
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmla(acc, channel[1], half * (1 << shift)) >> shift);
}

/* The function `name` whose outputs are those of `output`. */
#define TINYC_DEFINE_HALVES(name, output)                                                         \
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
                out[p * to_second + c] = output(acc[0], table + 3 * c, half);                     \
                out[p * to_second + c + 1] = output(acc[1], table + 3 * c + 3, half);             \
            }                                                                                     \
        }                                                                                         \
    }

TINYC_DEFINE_HALVES(tinyc_halves_away, tinyc_output_away)

TINYC_DEFINE_HALVES(tinyc_halves_lowest, tinyc_output_lowest)

TINYC_DEFINE_HALVES(tinyc_halves_steep, tinyc_output_steep)

TINYC_DEFINE_HALVES(tinyc_halves_once, tinyc_output_once)

#endif

#endif
