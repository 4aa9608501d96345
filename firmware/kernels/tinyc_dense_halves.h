/* Fully connected layers of int8, eight channels at a time, whose weights are those of
 * tinyc_halves.h, of four pairs of channels in each row. */
#ifndef TINYC_DENSE_HALVES_H
#define TINYC_DENSE_HALVES_H

#include "tinyc_halves.h"

/* Quads that the code has one after another, a power of two. */
#if TINYC_SMALL
#define TINYC_DENSE_HALVES_QUADS 1
#else
#define TINYC_DENSE_HALVES_QUADS 8
#endif
#define TINYC_DENSE_HALVES_QUAD_BYTES 140

typedef void tinyc_dense_tile(const int16_t *weights, const int8_t *in, const int8_t *end,
                              int32_t skip, const int32_t *table, const int32_t *table_end,
                              int32_t half, int8_t *out);

#if TINYC_DSP

/* Four inputs with eight channels: two rows, 32 multiply-accumulates, by 9 loads, 10 SXTB16, 16
 * SMLAD. r0: weights, r1: inputs, both moved on; r4 to r11: sums. */
#if TINYC_DUAL_ISSUE
#define TINYC_DENSE_HALVES_QUAD    \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    r2, [r0], #4\n\t"      \
    "sxtb16 lr, r12\n\t"           \
    "ldr    r3, [r0], #4\n\t"      \
    "smlad  r5, r2, lr, r5\n\t"    \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r7, r3, lr, r7\n\t"    \
    "smlad  r4, r2, lr, r4\n\t"    \
    "sxtb16 r3, r3\n\t"            \
    "ldr    r2, [r0], #4\n\t"      \
    "smlad  r6, r3, lr, r6\n\t"    \
    "ldr    r3, [r0], #4\n\t"      \
    "smlad  r9, r2, lr, r9\n\t"    \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r11, r3, lr, r11\n\t"  \
    "smlad  r8, r2, lr, r8\n\t"    \
    "sxtb16 r3, r3\n\t"            \
    "ldr    r2, [r0], #4\n\t"      \
    "smlad  r10, r3, lr, r10\n\t"  \
    "sxtb16 r12, r12, ror #8\n\t"  \
    "ldr    r3, [r0], #4\n\t"      \
    "smlad  r5, r2, r12, r5\n\t"   \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r7, r3, r12, r7\n\t"   \
    "smlad  r4, r2, r12, r4\n\t"   \
    "sxtb16 r3, r3\n\t"            \
    "ldr    r2, [r0], #4\n\t"      \
    "smlad  r6, r3, r12, r6\n\t"   \
    "ldr    lr, [r0], #4\n\t"      \
    "smlad  r9, r2, r12, r9\n\t"   \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r11, lr, r12, r11\n\t" \
    "smlad  r8, r2, r12, r8\n\t"   \
    "sxtb16 lr, lr\n\t"            \
    "smlad  r10, lr, r12, r10\n\t"
#else
#define TINYC_DENSE_HALVES_QUAD    \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "sxtb16 lr, r12\n\t"           \
    "smlad  r5, r2, lr, r5\n\t"    \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r7, r3, lr, r7\n\t"    \
    "sxtb16 r3, r3\n\t"            \
    "smlad  r4, r2, lr, r4\n\t"    \
    "smlad  r6, r3, lr, r6\n\t"    \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "sxtb16 r12, r12, ror #8\n\t"  \
    "smlad  r9, r2, lr, r9\n\t"    \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r11, r3, lr, r11\n\t"  \
    "sxtb16 r3, r3\n\t"            \
    "smlad  r8, r2, lr, r8\n\t"    \
    "smlad  r10, r3, lr, r10\n\t"  \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "ldr    lr, [r0], #4\n\t"      \
    "smlad  r5, r2, r12, r5\n\t"   \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r7, r3, r12, r7\n\t"   \
    "sxtb16 r3, r3\n\t"            \
    "smlad  r4, r2, r12, r4\n\t"   \
    "ldr    r2, [r0], #4\n\t"      \
    "smlad  r9, lr, r12, r9\n\t"   \
    "sxtb16 lr, lr\n\t"            \
    "smlad  r6, r3, r12, r6\n\t"   \
    "smlad  r11, r2, r12, r11\n\t" \
    "sxtb16 r2, r2\n\t"            \
    "smlad  r8, lr, r12, r8\n\t"   \
    "smlad  r10, r2, r12, r10\n\t"
#endif

#define TINYC_DENSE_HALVES_PASS \
    ".rept " TINYC_TEXT(TINYC_DENSE_HALVES_QUADS) "\n\t" TINYC_DENSE_HALVES_QUAD ".endr\n\t"

/* What follows makes outputs in r4 to r11 of the sums of eight channels that `sums` leaves there
 * times 1, 2 or 256; r1: their table, lr: half. See tinyc_halves.h.
 *
 * Rounded once. */
#define TINYC_EIGHT_ONCE(sums)                      \
    ".macro tinyc_channel multiplier, shift, a\n\t" \
    "ldr    r12, [r1, #\\shift]\n\t"                \
    "ldr    r2, [r1, #\\multiplier]\n\t"            \
    "lsl    r3, lr, r12\n\t"                        \
    "smmla  \\a, \\a, r2, r3\n\t"                   \
    "asr    \\a, \\a, r12\n\t"                      \
    "ssat   \\a, #8, \\a, asr #1\n\t"               \
    ".endm\n\t" sums

/* Rounded twice, halves away from zero. */
#define TINYC_EIGHT_AWAY(sums)                      \
    ".macro tinyc_channel multiplier, shift, a\n\t" \
    "ldr    r12, [r1, #\\shift]\n\t"                \
    "ldr    r2, [r1, #\\multiplier]\n\t"            \
    "lsl    r3, lr, r12\n\t"                        \
    "add    r3, r3, \\a, asr #31\n\t"               \
    "smmlar \\a, \\a, r2, r3\n\t"                   \
    "asr    \\a, \\a, r12\n\t"                      \
    "ssat   \\a, #8, \\a, asr #1\n\t"               \
    ".endm\n\t" sums

/* The same where the zero point is -128. */
#define TINYC_EIGHT_PRODUCTS(sums, shift)            \
    ".macro tinyc_channel multiplier, addend, a\n\t" \
    "ldr    r2, [r1, #\\multiplier]\n\t"             \
    "ldr    r3, [r1, #\\addend]\n\t"                 \
    "smmla  \\a, \\a, r2, r3\n\t"                    \
    "ssat   \\a, #8, \\a, " shift "\n\t.endm\n\t" sums

#define TINYC_EIGHT_LOWEST(sums) TINYC_EIGHT_PRODUCTS(sums, "asr #12")
#define TINYC_EIGHT_STEEP(sums)  TINYC_EIGHT_PRODUCTS(sums, "asr #8")

/* A row of inputs with all channels, eight at a time. r0 to r3: weights, inputs, their end, bytes
 * of the code of inputs that the first pass leaves out; the stack from 52 on, as r0 to r11 and lr
 * lie before it: table, its end, half, out. outputs: one of those above. */
#define TINYC_EIGHT_CHANNELS(pass, outputs) \
    ".syntax unified\n\t"                   \
    "adr.w  r12, 1f\n\t"                    \
    "add    r3, r3, r12\n\t"                \
    "orr    r3, r3, #1\n\t"                 \
    "push   {r0-r11, lr}\n\t"               \
    "ldr    r1, [sp, #52]\n\t"              \
    "b.w    3f\n\t"                         \
    ".balign 4\n"                           \
    "1:\n\t" pass                           \
    "ldr    r2, [sp, #8]\n\t"               \
    "cmp    r1, r2\n\t"                     \
    "bne.w  1b\n\t"                         \
    "ldr    r1, [sp, #52]\n\t"              \
    "ldr.w  lr, [sp, #60]\n\t" outputs      \
    "tinyc_channel 4, 8, r4\n\t"            \
    "tinyc_channel 16, 20, r5\n\t"          \
    "tinyc_channel 28, 32, r6\n\t"          \
    "tinyc_channel 40, 44, r7\n\t"          \
    "tinyc_channel 52, 56, r8\n\t"          \
    "tinyc_channel 64, 68, r9\n\t"          \
    "tinyc_channel 76, 80, r10\n\t"         \
    "tinyc_channel 88, 92, r11\n\t"         \
    ".purgem tinyc_channel\n\t"             \
    "bfi    r4, r5, #8, #8\n\t"             \
    "bfi    r8, r9, #8, #8\n\t"             \
    "bfi    r4, r6, #16, #8\n\t"            \
    "bfi    r8, r10, #16, #8\n\t"           \
    "bfi    r4, r7, #24, #8\n\t"            \
    "bfi    r8, r11, #24, #8\n\t"           \
    "ldr    r3, [sp, #56]\n\t"              \
    "ldr    r2, [sp, #64]\n\t"              \
    "str.w  r8, [r2, #4]\n\t"               \
    "str    r4, [r2], #8\n\t"               \
    "str    r2, [sp, #64]\n\t"              \
    "adds   r1, #96\n\t"                    \
    "cmp    r1, r3\n\t"                     \
    "beq    4f\n"                           \
    "3:\n\t"                                \
    "str    r1, [sp, #52]\n\t"              \
    "ldr    r4, [r1]\n\t"                   \
    "ldr    r5, [r1, #12]\n\t"              \
    "ldr    r6, [r1, #24]\n\t"              \
    "ldr    r7, [r1, #36]\n\t"              \
    "ldr.w  r8, [r1, #48]\n\t"              \
    "ldr.w  r9, [r1, #60]\n\t"              \
    "ldr.w  r10, [r1, #72]\n\t"             \
    "ldr.w  r11, [r1, #84]\n\t"             \
    "ldr    r2, [sp, #12]\n\t"              \
    "ldr    r1, [sp, #4]\n\t"               \
    "bx     r2\n"                           \
    "4:\n\t"                                \
    "add    sp, sp, #16\n\t"                \
    "pop    {r4-r11, pc}\n\t"

/* The sums A are in the registers with even numbers, A + 256 * B in those behind. */
#define TINYC_DENSE_HALVES_APART \
    "sub    r5, r5, r4\n\t"      \
    "sub    r7, r7, r6\n\t"      \
    "sub    r9, r9, r8\n\t"      \
    "sub    r11, r11, r10\n\t"

#define TINYC_DENSE_HALVES_ONE_TIME \
    TINYC_DENSE_HALVES_APART        \
    "asr    r5, r5, #8\n\t"         \
    "asr    r7, r7, #8\n\t"         \
    "asr    r9, r9, #8\n\t"         \
    "asr    r11, r11, #8\n\t"

#define TINYC_DENSE_HALVES_TWICE \
    TINYC_DENSE_HALVES_APART     \
    "asr    r5, r5, #7\n\t"      \
    "asr    r7, r7, #7\n\t"      \
    "asr    r9, r9, #7\n\t"      \
    "asr    r11, r11, #7\n\t"    \
    "lsl    r4, r4, #1\n\t"      \
    "lsl    r6, r6, #1\n\t"      \
    "lsl    r8, r8, #1\n\t"      \
    "lsl    r10, r10, #1\n\t"

#define TINYC_DENSE_HALVES_256_TIMES \
    TINYC_DENSE_HALVES_APART         \
    "lsl    r4, r4, #8\n\t"          \
    "lsl    r6, r6, #8\n\t"          \
    "lsl    r8, r8, #8\n\t"          \
    "lsl    r10, r10, #8\n\t"

#define TINYC_DEFINE_DENSE_HALVES(name, outputs)                                                  \
    __attribute__((naked, noinline, unused)) static void name(                                    \
        __attribute__((unused)) const int16_t *weights, __attribute__((unused)) const int8_t *in, \
        __attribute__((unused)) const int8_t *end, __attribute__((unused)) int32_t skip,          \
        __attribute__((unused)) const int32_t *table,                                             \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out)                                                      \
    {                                                                                             \
        __asm__ volatile(TINYC_EIGHT_CHANNELS(TINYC_DENSE_HALVES_PASS, outputs));                 \
    }

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_once, TINYC_EIGHT_ONCE(TINYC_DENSE_HALVES_ONE_TIME))

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_away, TINYC_EIGHT_AWAY(TINYC_DENSE_HALVES_TWICE))

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_lowest, TINYC_EIGHT_LOWEST(TINYC_DENSE_HALVES_256_TIMES))

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_steep, TINYC_EIGHT_STEEP(TINYC_DENSE_HALVES_256_TIMES))

#else

/* Two channels, whose halfwords are the first two of eight in each row, into acc. */
TINYC_INLINE void tinyc_dense_halves_sums(const int16_t *weights, const int8_t *in,
                                          const int8_t *end, const int32_t *table, int32_t *acc)
{
    uint32_t low = (uint32_t)table[0];
    uint32_t both = (uint32_t)table[3];

    for (; in != end; in += 4, weights += 16) {
        for (int32_t k = 0; k < 4; k++) {
            const int32_t half = weights[k % 2 * 8 + k / 2];
            low += (uint32_t)((int8_t)(half & 0xff) * in[k]);
            both += (uint32_t)(half * in[k]);
        }
    }
    acc[0] = (int32_t)low;
    acc[1] = (int32_t)(both - low) >> 8;
}

/* The function `name` whose outputs are those of `output`. */
#define TINYC_DEFINE_DENSE_HALVES(name, output)                                                 \
    static TINYC_SHARED void name(const int16_t *weights, const int8_t *in, const int8_t *end,  \
                                  int32_t skip, const int32_t *table, const int32_t *table_end, \
                                  int32_t half, int8_t *out)                                    \
    {                                                                                           \
        (void)skip;                                                                             \
        for (; table != table_end; weights += 4 * (end - in)) {                                 \
            for (int32_t c = 0; c < 8; c += 2, table += 6, out += 2) {                          \
                int32_t acc[2];                                                                 \
                tinyc_dense_halves_sums(weights + c, in, end, table, acc);                      \
                out[0] = output(acc[0], table, half);                                           \
                out[1] = output(acc[1], table + 3, half);                                       \
            }                                                                                   \
        }                                                                                       \
    }

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_once, tinyc_output_once)

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_away, tinyc_output_away)

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_lowest, tinyc_output_lowest)

TINYC_DEFINE_DENSE_HALVES(tinyc_dense_steep, tinyc_output_steep)

#endif

/* One row of inputs, a multiple of four; at least eight channels, of which the last eight of a
 * count that is no multiple overlap those before. */
TINYC_INLINE void tinyc_dense_halves(const int8_t *in, int8_t *out, const int16_t *weights,
                                     const int32_t *table, int32_t depth, int32_t channels,
                                     int32_t zero_point, int32_t low, int32_t high,
                                     tinyc_dense_tile *tile)
{
    const int8_t *const end = in + depth;
    const int32_t half = 1 + 2 * zero_point;
    const int32_t skip =
        (-depth / 4 & (TINYC_DENSE_HALVES_QUADS - 1)) * TINYC_DENSE_HALVES_QUAD_BYTES;
    const int32_t whole = channels / 8 * 8;

    tile(weights, in, end, skip, table, table + 3 * whole, half, out);
    if (whole != channels) {
        tile(weights + whole / 2 * depth, in, end, skip, table + 3 * whole, table + 3 * whole + 24,
             half, out + channels - 8);
    }
    if (low != INT8_MIN || high != INT8_MAX) {
        tinyc_clamp_bytes(out, channels, low, high);
    }
}

#endif
