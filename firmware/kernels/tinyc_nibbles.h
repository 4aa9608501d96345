/* Sums of four channels of two pixels, of weights of 4 or 2 bits, by the DSP extension.
 *
 * columns: as those of tinyc_halves.h; of 4 bits, on cores of one instruction in a cycle, those of
 *          the second pixel alone, those of the first somewhere before them: a register says where,
 *          which weights of 2 bits, or loads long before their use, need;
 * weights: of four channels c0 to c3 a field each, c0's the lowest, which make a halfword of 4 bits
 *          each or a byte of 2 bits each. For each four inputs k0 to k3 of four channels the
 *          halfwords of k0, k2, k1 and k3, or the bytes of k0 to k3. c3's are signed, of the others
 *          8 or 2 are added to each weight, so that they are not negative;
 * table: three words of each channel as those of tinyc_halves.h, whose first ones are the biases of
 *        c0, c0 + 16 * c1, c0 + 16 * c1 + 256 * c2 and so on, of 2 bits by powers of 4. Besides its
 *        ways of rounding there is `steep_once`: once, of multipliers of 1/4 and more, by products
 *        of 256 times the sums, whose right shifts are larger by 8.
 *
 * SMLAD of such numbers adds up what all channels come to, and, as the upper fields are cleared one
 * after another, what those below come to: each less the one below it is the sum of a channel,
 * shifted up. Sums wrap around: with 4 bits that of c3 is right below 2^19. What was added to the
 * weights comes to 8 or 2 times the sum of the inputs, which is taken away at the end. */
#ifndef TINYC_NIBBLES_H
#define TINYC_NIBBLES_H

#include "tinyc_halves.h"

/* Channels of `table`, by four, up to `table_end`, of columns up to `columns_end`.
 * skip: tinyc_nibbles_skip of the columns; out, to_second: see tinyc_halves_tile; first, second: of
 * each pixel, how much too large the sums are that outputs are made of, see tinyc_nibbles_layer;
 * other: bytes from `columns` to those of the other pixel. */
typedef void tinyc_nibbles_tile(const int32_t *weights, const int16_t *columns,
                                const int16_t *columns_end, int32_t skip, const int32_t *table,
                                const int32_t *table_end, int32_t half, int8_t *out,
                                int32_t to_second, int32_t first, int32_t second, int32_t other);

/* Words from one of a pixel's columns to the next. */
#define TINYC_NIBBLES_EVERY(bits) ((bits) == 4 && !TINYC_DUAL_ISSUE ? 1 : 2)

/* Inputs by four that the code has one after another, and what the first pass over them leaves
 * out, see TINYC_HALVES_ROWS. Of 2 bits twice as many, which makes up for an instruction more. */
#if TINYC_SMALL
#define TINYC_INT4_QUADS          1
#define TINYC_INT2_QUADS          1
#define TINYC_NIBBLES_QUADS(bits) 1
#else
#define TINYC_INT4_QUADS          9
#define TINYC_INT2_QUADS          18
#define TINYC_NIBBLES_QUADS(bits) ((bits) == 4 ? TINYC_INT4_QUADS : TINYC_INT2_QUADS)
#endif
#define TINYC_INT4_QUAD_BYTES 112
#define TINYC_INT2_QUAD_BYTES 116

TINYC_INLINE int32_t tinyc_nibbles_skip(int32_t depth, int32_t bits)
{
    const int32_t quads = depth / 4;
    const int32_t most = TINYC_NIBBLES_QUADS(bits);
    const int32_t bytes = bits == 4 ? TINYC_INT4_QUAD_BYTES : TINYC_INT2_QUAD_BYTES;
    return ((quads + most - 1) / most * most - quads) * bytes;
}

#if TINYC_DSP

/* Two inputs with four channels, 16 multiply-accumulates, of fields in `from`. r12, lr: columns;
 * r4 to r11: sums, for each two pixels of the lowest field, of the two lowest and so on. widened:
 * what makes fields of them where they are no halfwords of r2; below: what leaves the lower ones,
 * one after another, in `lower`; next: what loads the next columns. Loads that follow each other
 * take half the time, or none each beside a product. */
#define TINYC_FIELDS_PRODUCTS(from, lower, widened, below3, below2, below1, next_weights,          \
                              next_first, next_second)                                             \
    widened                                                                                        \
        "smlad  r10, " from                                                                        \
        ", r12, r10\n\t"                                                                           \
        "smlad  r11, " from ", lr, r11\n\t" below3 "smlad  r8, " lower                             \
        ", r12, r8\n\t" next_weights "smlad  r9, " lower ", lr, r9\n\t" below2 "smlad  r6, " lower \
        ", r12, r6\n\t"                                                                            \
        "smlad  r7, " lower ", lr, r7\n\t" below1 "smlad  r4, " lower ", r12, r4\n\t" next_first   \
        "smlad  r5, " lower ", lr, r5\n\t" next_second

#define TINYC_NEXT_WEIGHTS "ldr    r2, [r0], #4\n\t"
#define TINYC_NEXT_FIRST   "ldr    r12, [r1], #4\n\t"
#define TINYC_NEXT_SECOND  "ldr    lr, [r1], #4\n\t"

/* Of a word's halfwords: a row. */
#define TINYC_INT4_FIELDS(lower, next_weights, next_first, next_second)                 \
    TINYC_FIELDS_PRODUCTS("r2", lower, "", "bic    " lower ", r2, #0xf000f000\n\t",     \
                          "uxtb16 " lower ", " lower "\n\t",                            \
                          "and    " lower ", " lower ", #0x000f000f\n\t", next_weights, \
                          next_first, next_second)
#define TINYC_INT4_PRODUCTS(next_weights, next_first, next_second) \
    TINYC_INT4_FIELDS("r3", next_weights, next_first, next_second)

/* Of its lower bytes, and of its upper bytes: two rows. */
#define TINYC_INT2_PRODUCTS(bytes, next_weights, next_first, next_second)                     \
    TINYC_FIELDS_PRODUCTS("r3", "r3", "sxtb16 r3, " bytes "\n\t",                             \
                          "and    r3, r3, #0x003f003f\n\t", "and    r3, r3, #0x000f000f\n\t", \
                          "and    r3, r3, #0x00030003\n\t", next_weights, next_first, next_second)

#if TINYC_DUAL_ISSUE
#define TINYC_NIBBLES_BEFORE TINYC_NEXT_WEIGHTS TINYC_NEXT_FIRST TINYC_NEXT_SECOND
#define TINYC_INT4_ENTER     TINYC_ENTER_R3
#define TINYC_INT4_JUMP      TINYC_JUMP_R3
#define TINYC_INT4_ROW  TINYC_INT4_PRODUCTS(TINYC_NEXT_WEIGHTS, TINYC_NEXT_FIRST, TINYC_NEXT_SECOND)
#define TINYC_INT4_QUAD TINYC_INT4_ROW TINYC_INT4_ROW
#define TINYC_INT4_LAST_QUAD TINYC_INT4_ROW TINYC_INT4_PRODUCTS("", "", "")
#define TINYC_INT2_QUAD                                                \
    TINYC_INT2_PRODUCTS("r2", "", TINYC_NEXT_FIRST, TINYC_NEXT_SECOND) \
    TINYC_INT2_PRODUCTS("r2, ror #8", TINYC_NEXT_WEIGHTS, TINYC_NEXT_FIRST, TINYC_NEXT_SECOND)
#define TINYC_INT2_LAST_QUAD                                           \
    TINYC_INT2_PRODUCTS("r2", "", TINYC_NEXT_FIRST, TINYC_NEXT_SECOND) \
    TINYC_INT2_PRODUCTS("r2, ror #8", "", "", "")
#else
#define TINYC_NIBBLES_BEFORE
/* r3: where the first pixel's columns are from the second one's, which are loaded last, as they are
 * not needed at once. */
#define TINYC_INT4_ENTER       \
    "ldr    r2, [sp, #12]\n\t" \
    "ldr    r3, [sp, #80]\n\t"
#define TINYC_INT4_JUMP "bx     r2\n"
#define TINYC_INT4_ROW \
    TINYC_NEXT_WEIGHTS \
    "ldr.w  r12, [r1, r3]\n\t" TINYC_NEXT_SECOND TINYC_INT4_FIELDS("r2", "", "", "")
#define TINYC_INT4_QUAD      TINYC_INT4_ROW TINYC_INT4_ROW
#define TINYC_INT4_LAST_QUAD TINYC_INT4_QUAD
#define TINYC_INT2_QUAD                                                                         \
    TINYC_NEXT_WEIGHTS TINYC_NEXT_FIRST TINYC_NEXT_SECOND TINYC_INT2_PRODUCTS("r2", "", "", "") \
        TINYC_NEXT_FIRST TINYC_NEXT_SECOND TINYC_INT2_PRODUCTS("r2, ror #8", "", "", "")
#define TINYC_INT2_LAST_QUAD TINYC_INT2_QUAD
#endif

#define TINYC_REPEAT(quads) ".rept " TINYC_TEXT(quads) " - 1\n\t"
#define TINYC_INT4_PASS \
    TINYC_REPEAT(TINYC_INT4_QUADS) TINYC_INT4_QUAD ".endr\n\t" TINYC_INT4_LAST_QUAD
#define TINYC_INT2_PASS \
    TINYC_REPEAT(TINYC_INT2_QUADS) TINYC_INT2_QUAD ".endr\n\t" TINYC_INT2_LAST_QUAD

/* The sums of channels, times what outputs are made of, less `first` and `second`: how far they are
 * shifted for that. */
#define TINYC_FIELDS_APART(shift0, shift1, shift2, shift3) \
    "ldrd   r2, r3, [sp, #72]\n\t"                         \
    "sub    r10, r10, r8\n\t"                              \
    "sub    r11, r11, r9\n\t"                              \
    "sub    r8, r8, r6\n\t"                                \
    "sub    r9, r9, r7\n\t"                                \
    "sub    r6, r6, r4\n\t"                                \
    "sub    r7, r7, r5\n\t"                                \
    "rsb    r4, r2, r4" shift0                             \
    "\n\t"                                                 \
    "rsb    r5, r3, r5" shift0                             \
    "\n\t"                                                 \
    "rsb    r6, r2, r6" shift1                             \
    "\n\t"                                                 \
    "rsb    r7, r3, r7" shift1                             \
    "\n\t"                                                 \
    "rsb    r8, r2, r8" shift2                             \
    "\n\t"                                                 \
    "rsb    r9, r3, r9" shift2                             \
    "\n\t"                                                 \
    "mov    r10, r10" shift3                               \
    "\n\t"                                                 \
    "mov    r11, r11" shift3 "\n\t"

#define TINYC_INT4_TWICE     TINYC_FIELDS_APART(", lsl #1", ", asr #3", ", asr #7", ", asr #11")
#define TINYC_INT4_256_TIMES TINYC_FIELDS_APART(", lsl #8", ", lsl #4", "", ", asr #4")
#define TINYC_INT4_ONE_TIME  TINYC_FIELDS_APART("", ", asr #4", ", asr #8", ", asr #12")
#define TINYC_INT2_TWICE     TINYC_FIELDS_APART(", lsl #1", ", asr #1", ", asr #3", ", asr #5")
#define TINYC_INT2_256_TIMES TINYC_FIELDS_APART(", lsl #8", ", lsl #6", ", lsl #4", ", lsl #2")
#define TINYC_INT2_ONE_TIME  TINYC_FIELDS_APART("", ", asr #2", ", asr #4", ", asr #6")

#define TINYC_INT2_ENTER TINYC_ENTER_R3
#define TINYC_INT2_JUMP  TINYC_JUMP_R3

/* bits: of a weight; times: how far up the sums are shifted that outputs are made of; enter, jump,
 * pass, outputs: see TINYC_FOUR_CHANNELS; output: that of a sum, where there are no such
 * instructions. */
#define TINYC_DEFINE_NIBBLES(name, bits, times, enter, jump, pass, outputs, output)               \
    __attribute__((naked, noinline, unused)) static void name(                                    \
        __attribute__((unused)) const int32_t *weights,                                           \
        __attribute__((unused)) const int16_t *columns,                                           \
        __attribute__((unused)) const int16_t *columns_end, __attribute__((unused)) int32_t skip, \
        __attribute__((unused)) const int32_t *table,                                             \
        __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,   \
        __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t to_second,           \
        __attribute__((unused)) int32_t first, __attribute__((unused)) int32_t second,            \
        __attribute__((unused)) int32_t other)                                                    \
    {                                                                                             \
        __asm__ volatile(TINYC_FOUR_CHANNELS(enter, TINYC_NIBBLES_BEFORE, jump, pass, outputs));  \
    }

#else

/* The products of an input with the fields of a number, of all and of all but the upper ones. */
TINYC_INLINE void tinyc_add_fields(uint32_t *sums, int32_t fields, int32_t input, int32_t bits)
{
    sums[3] += (uint32_t)(fields * input);
    for (int32_t i = 0; i < 3; i++) {
        sums[i] += (uint32_t)((fields & ((1 << (bits * (i + 1))) - 1)) * input);
    }
}

/* Sums of such of four channels become those of each, shifted up by `times` less `above`. */
TINYC_INLINE void tinyc_fields_apart(const uint32_t *sums, int32_t bits, int32_t times,
                                     int32_t above, int32_t *acc)
{
    for (int32_t i = 0; i < 4; i++) {
        const int32_t up = times - i * bits;
        const uint32_t own = i == 0 ? sums[0] : sums[i] - sums[i - 1];
        const uint32_t scaled = up >= 0 ? own << up : (uint32_t)((int32_t)own >> -up);
        acc[i] = (int32_t)(i == 3 ? scaled : scaled - (uint32_t)above) >> times;
    }
}

/* The fields of the k-th of four inputs, of words that are `apart`. */
TINYC_INLINE int32_t tinyc_fields(const int32_t *weights, int32_t k, int32_t bits, int32_t apart)
{
    const int32_t half = k / 2, row = k % 2;

    if (bits == 4) {
        return (int16_t)(((uint32_t)weights[row * apart] >> (16 * half)) & 0xffffU);
    }
    return (int8_t)(((uint32_t)*weights >> (16 * half + 8 * row)) & 0xffU);
}

/* Four channels of one pixel into acc; `columns` are its own. */
TINYC_INLINE void tinyc_nibbles_sums(const int32_t *weights, const int16_t *columns,
                                     const int16_t *columns_end, const int32_t *table, int32_t bits,
                                     int32_t times, int32_t above, int32_t *acc)
{
    const int32_t every = TINYC_NIBBLES_EVERY(bits);
    uint32_t sums[4];

    for (int32_t i = 0; i < 4; i++) {
        sums[i] = (uint32_t)table[3 * i];
    }
    for (; columns < columns_end; columns += 4 * every, weights += bits / 2) {
        for (int32_t k = 0; k < 4; k++) {
            tinyc_add_fields(sums, tinyc_fields(weights, k, bits, 1),
                             columns[k % 2 * 2 * every + k / 2], bits);
        }
    }
    tinyc_fields_apart(sums, bits, times, above, acc);
}

TINYC_INLINE int8_t tinyc_output_steep_once(int32_t acc, const int32_t *channel, int32_t half)
{
    return tinyc_output_once((int32_t)((uint32_t)acc << 8), channel, half);
}

#define TINYC_DEFINE_NIBBLES(name, bits, times, enter, jump, pass, outputs, output)                \
    static TINYC_SHARED void name(const int32_t *weights, const int16_t *columns,                  \
                                  const int16_t *columns_end, int32_t skip, const int32_t *table,  \
                                  const int32_t *table_end, int32_t half, int8_t *out,             \
                                  int32_t to_second, int32_t first, int32_t second, int32_t other) \
    {                                                                                              \
        (void)skip;                                                                                \
        for (; table != table_end; table += 12, out += 4) {                                        \
            for (int32_t p = 1; p >= 0; p--) { /* the second pixel's first */                      \
                int32_t acc[4];                                                                    \
                const int32_t at = (p == 1) == (TINYC_NIBBLES_EVERY(bits) == 1) ? 0 : other / 2;   \
                tinyc_nibbles_sums(weights, columns + at, columns_end + at, table, bits, times,    \
                                   p == 0 ? first : second, acc);                                  \
                for (int32_t c = 0; c < 4; c++) {                                                  \
                    out[p * to_second + c] = output(acc[c], table + 3 * c, half);                  \
                }                                                                                  \
            }                                                                                      \
            weights += (columns_end - columns) / TINYC_NIBBLES_EVERY(bits) * bits / 8;             \
        }                                                                                          \
    }

#endif

TINYC_DEFINE_NIBBLES(tinyc_int4_away, 4, 1, TINYC_INT4_ENTER, TINYC_INT4_JUMP, TINYC_INT4_PASS,
                     TINYC_FOUR_AWAY(TINYC_INT4_TWICE), tinyc_output_away)

TINYC_DEFINE_NIBBLES(tinyc_int4_lowest, 4, 8, TINYC_INT4_ENTER, TINYC_INT4_JUMP, TINYC_INT4_PASS,
                     TINYC_FOUR_LOWEST(TINYC_INT4_256_TIMES), tinyc_output_lowest)

TINYC_DEFINE_NIBBLES(tinyc_int4_steep, 4, 8, TINYC_INT4_ENTER, TINYC_INT4_JUMP, TINYC_INT4_PASS,
                     TINYC_FOUR_STEEP(TINYC_INT4_256_TIMES), tinyc_output_steep)

TINYC_DEFINE_NIBBLES(tinyc_int4_once, 4, 0, TINYC_INT4_ENTER, TINYC_INT4_JUMP, TINYC_INT4_PASS,
                     TINYC_FOUR_ONCE(TINYC_INT4_ONE_TIME), tinyc_output_once)

TINYC_DEFINE_NIBBLES(tinyc_int4_steep_once, 4, 8, TINYC_INT4_ENTER, TINYC_INT4_JUMP,
                     TINYC_INT4_PASS, TINYC_FOUR_ONCE(TINYC_INT4_256_TIMES),
                     tinyc_output_steep_once)

TINYC_DEFINE_NIBBLES(tinyc_int2_away, 2, 1, TINYC_INT2_ENTER, TINYC_INT2_JUMP, TINYC_INT2_PASS,
                     TINYC_FOUR_AWAY(TINYC_INT2_TWICE), tinyc_output_away)

TINYC_DEFINE_NIBBLES(tinyc_int2_lowest, 2, 8, TINYC_INT2_ENTER, TINYC_INT2_JUMP, TINYC_INT2_PASS,
                     TINYC_FOUR_LOWEST(TINYC_INT2_256_TIMES), tinyc_output_lowest)

TINYC_DEFINE_NIBBLES(tinyc_int2_steep, 2, 8, TINYC_INT2_ENTER, TINYC_INT2_JUMP, TINYC_INT2_PASS,
                     TINYC_FOUR_STEEP(TINYC_INT2_256_TIMES), tinyc_output_steep)

TINYC_DEFINE_NIBBLES(tinyc_int2_once, 2, 0, TINYC_INT2_ENTER, TINYC_INT2_JUMP, TINYC_INT2_PASS,
                     TINYC_FOUR_ONCE(TINYC_INT2_ONE_TIME), tinyc_output_once)

TINYC_DEFINE_NIBBLES(tinyc_int2_steep_once, 2, 8, TINYC_INT2_ENTER, TINYC_INT2_JUMP,
                     TINYC_INT2_PASS, TINYC_FOUR_ONCE(TINYC_INT2_256_TIMES),
                     tinyc_output_steep_once)

#endif
