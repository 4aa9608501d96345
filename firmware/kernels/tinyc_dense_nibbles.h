/* Fully connected layers of int8, eight channels at a time, whose weights of 4 or 2 bits are those
 * of tinyc_nibbles.h: for each four inputs of two fours of channels in turn, word by word. */
#ifndef TINYC_DENSE_NIBBLES_H
#define TINYC_DENSE_NIBBLES_H

#include "tinyc_dense_halves.h"
#include "tinyc_input_sums.h"
#include "tinyc_nibbles.h"

#define TINYC_DENSE_INT4_QUAD_BYTES 140
#define TINYC_DENSE_INT2_QUAD_BYTES 148

/* above: of the row of inputs, how much too large the sums are that outputs are made of. */
typedef void tinyc_dense_nibbles_tile(const int32_t *weights, const int8_t *in, const int8_t *end,
                                      int32_t skip, const int32_t *table, const int32_t *table_end,
                                      int32_t half, int8_t *out, int32_t above);

#if TINYC_DSP

/* Two inputs in `x` with eight channels, of halfwords of two words. r4 to r7, r8 to r11: sums of
 * the lowest field, of the two lowest and so on. */
#define TINYC_DENSE_INT4_ROW(x)      \
    "smlad  r7, r2, " x              \
    ", r7\n\t"                       \
    "smlad  r11, r3, " x             \
    ", r11\n\t"                      \
    "bic    r2, r2, #0xf000f000\n\t" \
    "bic    r3, r3, #0xf000f000\n\t" \
    "smlad  r6, r2, " x              \
    ", r6\n\t"                       \
    "smlad  r10, r3, " x             \
    ", r10\n\t"                      \
    "uxtb16 r2, r2\n\t"              \
    "uxtb16 r3, r3\n\t"              \
    "smlad  r5, r2, " x              \
    ", r5\n\t"                       \
    "smlad  r9, r3, " x              \
    ", r9\n\t"                       \
    "and    r2, r2, #0x000f000f\n\t" \
    "and    r3, r3, #0x000f000f\n\t" \
    "smlad  r4, r2, " x              \
    ", r4\n\t"                       \
    "smlad  r8, r3, " x ", r8\n\t"

#define TINYC_DENSE_INT4_QUAD \
    "ldr    r12, [r1], #4\n\t"     \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "sxtb16 lr, r12\n\t"           \
    TINYC_DENSE_INT4_ROW("lr")     \
    "ldr    r2, [r0], #4\n\t"      \
    "ldr    r3, [r0], #4\n\t"      \
    "sxtb16 r12, r12, ror #8\n\t"  \
    TINYC_DENSE_INT4_ROW("r12")

/* Two inputs in `x` with four channels, of bytes of r2. a to d: their sums. */
#define TINYC_DENSE_INT2_ROW(bytes, x, a, b, c, d) \
    "sxtb16 r3, " bytes                            \
    "\n\t"                                         \
    "smlad  " d ", r3, " x ", " d                  \
    "\n\t"                                         \
    "and    r3, r3, #0x003f003f\n\t"               \
    "smlad  " c ", r3, " x ", " c                  \
    "\n\t"                                         \
    "and    r3, r3, #0x000f000f\n\t"               \
    "smlad  " b ", r3, " x ", " b                  \
    "\n\t"                                         \
    "and    r3, r3, #0x00030003\n\t"               \
    "smlad  " a ", r3, " x ", " a "\n\t"

#define TINYC_DENSE_INT2_FOUR(a, b, c, d)        \
    TINYC_DENSE_INT2_ROW("r2", "lr", a, b, c, d) \
    TINYC_DENSE_INT2_ROW("r2, ror #8", "r12", a, b, c, d)

#define TINYC_DENSE_INT2_QUAD                                                                      \
    "ldr    r12, [r1], #4\n\t"                                                                     \
    "ldr    r2, [r0], #4\n\t"                                                                      \
    "sxtb16 lr, r12\n\t"                                                                           \
    "sxtb16 r12, r12, ror #8\n\t" TINYC_DENSE_INT2_FOUR(                                           \
        "r4", "r5", "r6", "r7") "ldr    r2, [r0], #4\n\t" TINYC_DENSE_INT2_FOUR("r8", "r9", "r10", \
                                                                                "r11")

#define TINYC_DENSE_REPEAT    ".rept " TINYC_TEXT(TINYC_DENSE_HALVES_QUADS) "\n\t"
#define TINYC_DENSE_INT4_PASS TINYC_DENSE_REPEAT TINYC_DENSE_INT4_QUAD ".endr\n\t"
#define TINYC_DENSE_INT2_PASS TINYC_DENSE_REPEAT TINYC_DENSE_INT2_QUAD ".endr\n\t"

/* See TINYC_FIELDS_APART. */
#define TINYC_DENSE_APART(shift0, shift1, shift2, shift3) \
    "ldr    r2, [sp, #68]\n\t"                            \
    "sub    r7, r7, r6\n\t"                               \
    "sub    r11, r11, r10\n\t"                            \
    "sub    r6, r6, r5\n\t"                               \
    "sub    r10, r10, r9\n\t"                             \
    "sub    r5, r5, r4\n\t"                               \
    "sub    r9, r9, r8\n\t"                               \
    "rsb    r4, r2, r4" shift0                            \
    "\n\t"                                                \
    "rsb    r8, r2, r8" shift0                            \
    "\n\t"                                                \
    "rsb    r5, r2, r5" shift1                            \
    "\n\t"                                                \
    "rsb    r9, r2, r9" shift1                            \
    "\n\t"                                                \
    "rsb    r6, r2, r6" shift2                            \
    "\n\t"                                                \
    "rsb    r10, r2, r10" shift2                          \
    "\n\t"                                                \
    "mov    r7, r7" shift3                                \
    "\n\t"                                                \
    "mov    r11, r11" shift3 "\n\t"

#define TINYC_DENSE_INT4_TWICE TINYC_DENSE_APART(", lsl #1", ", asr #3", ", asr #7", ", asr #11")
#define TINYC_DENSE_INT4_256_TIMES TINYC_DENSE_APART(", lsl #8", ", lsl #4", "", ", asr #4")
#define TINYC_DENSE_INT4_ONE_TIME  TINYC_DENSE_APART("", ", asr #4", ", asr #8", ", asr #12")
#define TINYC_DENSE_INT2_TWICE     TINYC_DENSE_APART(", lsl #1", ", asr #1", ", asr #3", ", asr #5")
#define TINYC_DENSE_INT2_256_TIMES TINYC_DENSE_APART(", lsl #8", ", lsl #6", ", lsl #4", ", lsl #2")
#define TINYC_DENSE_INT2_ONE_TIME  TINYC_DENSE_APART("", ", asr #2", ", asr #4", ", asr #6")

/* See TINYC_DEFINE_NIBBLES and TINYC_EIGHT_CHANNELS. */
#define TINYC_DEFINE_DENSE_NIBBLES(name, bits, times, pass, outputs, output)                      \
    __attribute__((naked, noinline, unused)) static void name(                                    \
        __attribute__((unused)) const int32_t *weights, __attribute__((unused)) const int8_t *in, \
        __attribute__((unused)) const int8_t *end, __attribute__((unused)) int32_t skip,          \
        __attribute__((unused)) const int32_t *table,                                             \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t above)               \
    {                                                                                             \
        __asm__ volatile(TINYC_EIGHT_CHANNELS(pass, outputs));                                    \
    }

#else

/* Four channels into acc, whose words are the first of each two in `weights`. */
TINYC_INLINE void tinyc_dense_nibbles_sums(const int32_t *weights, const int8_t *in,
                                           const int8_t *end, const int32_t *table, int32_t bits,
                                           int32_t times, int32_t above, int32_t *acc)
{
    uint32_t sums[4];

    for (int32_t i = 0; i < 4; i++) {
        sums[i] = (uint32_t)table[3 * i];
    }
    for (; in != end; in += 4, weights += bits) {
        for (int32_t k = 0; k < 4; k++) {
            tinyc_add_fields(sums, tinyc_fields(weights, k, bits, 2), in[k], bits);
        }
    }
    tinyc_fields_apart(sums, bits, times, above, acc);
}

#define TINYC_DEFINE_DENSE_NIBBLES(name, bits, times, pass, outputs, output)                       \
    static TINYC_SHARED void name(const int32_t *weights, const int8_t *in, const int8_t *end,     \
                                  int32_t skip, const int32_t *table, const int32_t *table_end,    \
                                  int32_t half, int8_t *out, int32_t above)                        \
    {                                                                                              \
        (void)skip;                                                                                \
        for (; table != table_end; weights += (end - in) * bits / 4) {                             \
            for (int32_t four = 0; four < 2; four++) {                                             \
                int32_t acc[4];                                                                    \
                tinyc_dense_nibbles_sums(weights + four, in, end, table, bits, times, above, acc); \
                for (int32_t c = 0; c < 4; c++, table += 3) {                                      \
                    *out++ = output(acc[c], table, half);                                          \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

#endif

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int4_away, 4, 1, TINYC_DENSE_INT4_PASS,
                           TINYC_EIGHT_AWAY(TINYC_DENSE_INT4_TWICE), tinyc_output_away)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int4_lowest, 4, 8, TINYC_DENSE_INT4_PASS,
                           TINYC_EIGHT_LOWEST(TINYC_DENSE_INT4_256_TIMES), tinyc_output_lowest)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int4_steep, 4, 8, TINYC_DENSE_INT4_PASS,
                           TINYC_EIGHT_STEEP(TINYC_DENSE_INT4_256_TIMES), tinyc_output_steep)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int4_once, 4, 0, TINYC_DENSE_INT4_PASS,
                           TINYC_EIGHT_ONCE(TINYC_DENSE_INT4_ONE_TIME), tinyc_output_once)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int4_steep_once, 4, 8, TINYC_DENSE_INT4_PASS,
                           TINYC_EIGHT_ONCE(TINYC_DENSE_INT4_256_TIMES), tinyc_output_steep_once)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int2_away, 2, 1, TINYC_DENSE_INT2_PASS,
                           TINYC_EIGHT_AWAY(TINYC_DENSE_INT2_TWICE), tinyc_output_away)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int2_lowest, 2, 8, TINYC_DENSE_INT2_PASS,
                           TINYC_EIGHT_LOWEST(TINYC_DENSE_INT2_256_TIMES), tinyc_output_lowest)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int2_steep, 2, 8, TINYC_DENSE_INT2_PASS,
                           TINYC_EIGHT_STEEP(TINYC_DENSE_INT2_256_TIMES), tinyc_output_steep)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int2_once, 2, 0, TINYC_DENSE_INT2_PASS,
                           TINYC_EIGHT_ONCE(TINYC_DENSE_INT2_ONE_TIME), tinyc_output_once)

TINYC_DEFINE_DENSE_NIBBLES(tinyc_dense_int2_steep_once, 2, 8, TINYC_DENSE_INT2_PASS,
                           TINYC_EIGHT_ONCE(TINYC_DENSE_INT2_256_TIMES), tinyc_output_steep_once)

/* One row of inputs, a multiple of four; at least eight channels, of which the last eight of a
 * count that is no multiple overlap those before. bits, offset: see tinyc_nibbles_layer. */
TINYC_INLINE void tinyc_dense_nibbles(const int8_t *in, int8_t *out, const int32_t *weights,
                                      const int32_t *table, int32_t depth, int32_t channels,
                                      int32_t zero_point, int32_t low, int32_t high, int32_t bits,
                                      int32_t offset, tinyc_dense_nibbles_tile *tile)
{
    const int8_t *const end = in + depth;
    const int32_t half = 1 + 2 * zero_point;
    const int32_t skip = (-depth / 4 & (TINYC_DENSE_HALVES_QUADS - 1)) *
                         (bits == 4 ? TINYC_DENSE_INT4_QUAD_BYTES : TINYC_DENSE_INT2_QUAD_BYTES);
    const int32_t whole = channels / 8 * 8;
    const int32_t above = (int32_t)((uint32_t)tinyc_sum_of_bytes(in, depth) * (uint32_t)offset);

    tile(weights, in, end, skip, table, table + 3 * whole, half, out, above);
    if (whole != channels) {
        tile(weights + whole * bits / 8 * depth / 4, in, end, skip, table + 3 * whole,
             table + 3 * whole + 24, half, out + channels - 8, above);
    }
    if (low != INT8_MIN || high != INT8_MAX) {
        tinyc_clamp_bytes(out, channels, low, high);
    }
}

#endif
