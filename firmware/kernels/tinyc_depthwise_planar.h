/* Depthwise 3x3 convolution of int8 on the lines of tinyc_planar.h: one channel slides along a
 * line, its weights in registers, and each number of it is loaded once for the three sums that it
 * is in.
 *
 * table: five words a channel, whose weights are w<line><position>:
 *     bytes w00 w01 w10 w11; bytes w02 w20 w12 w21; low byte the right shift, high half 2 * w22;
 *     twice the bias with the input's zero point in it; multiplier.
 * A doubled sum makes SMMLAR the rounded high product, plus what rounds the shift and adds the zero
 * point: tinyc/kernels/depthwise_planar.py sees to the bounds. */
#ifndef TINYC_DEPTHWISE_PLANAR_H
#define TINYC_DEPTHWISE_PLANAR_H

#include "tinyc_planar.h"

/* The outputs of four channels of one line, a byte each in the word of a position; those of the
 * next line `both` bytes further on, if that is not 0. cells: of two pairs of lines. */
typedef void tinyc_planar_sums(const uint32_t *cells, int8_t *staged, const int32_t *table,
                               const struct tinyc_planar *layer, int32_t both);

#if TINYC_DSP

/* r0: cells; r1: staged outputs; r2, r3, r4: weights of the pair of lines, by position; r5 and the
 * high half of r6: those of the single line; byte 0 of r6: the right shift, byte 1: rounds to go;
 * r10, r11: cells of the two pairs; lr: multiplier.
 * Stack: cells, staged, table, layer; at 48: the bias; at 56: `both`. */
#define TINYC_PLANAR_ENTER    \
    ".syntax unified\n\t"     \
    "push   {r0-r12, lr}\n\t" \
    "mov    r10, r2\n\t"      \
    "mov    r11, r3\n"        \
    "1:\n\t"

/* A channel's constants. r7: what rounds; r9: the step to enter at; r12: bias. */
#define TINYC_PLANAR_CHANNEL                 \
    "ldm    r10!, {r2, r4, r6, r12, lr}\n\t" \
    "ldm    r11, {r7, r8, r9}\n\t"           \
    "str    r10, [sp, #8]\n\t"               \
    "sxtb16 r3, r2, ror #8\n\t"              \
    "sxtb16 r2, r2\n\t"                      \
    "sxtb16 r5, r4, ror #8\n\t"              \
    "sxtb16 r4, r4\n\t"                      \
    "sadd16 r2, r2, r2\n\t"                  \
    "sadd16 r3, r3, r3\n\t"                  \
    "sadd16 r4, r4, r4\n\t"                  \
    "sadd16 r5, r5, r5\n\t"                  \
    "sub    r10, r6, #1\n\t"                 \
    "lsl    r7, r7, r10\n\t"                 \
    "add    r6, r6, r8, lsl #8\n\t"

/* On to the next of the four channels: the last one's byte is followed by a whole word. */
#define TINYC_PLANAR_LEAVE      \
    "ldr    r0, [sp]\n\t"       \
    "ldr    r1, [sp, #4]\n\t"   \
    "ldr.w  r10, [sp, #8]\n\t"  \
    "ldr.w  r11, [sp, #12]\n\t" \
    "add    r0, r0, #4\n\t"     \
    "add    r1, r1, #1\n\t"     \
    "strd   r0, r1, [sp]\n\t"   \
    "tst    r1, #3\n\t"         \
    "bne.w  1b\n\t"             \
    "add    sp, sp, #16\n\t"    \
    "pop    {r4-r12, pc}\n\t"

#define TINYC_PLANAR_LOAD       \
    "ldr    r10, [r0], #32\n\t" \
    "ldr    r11, [r0, #-16]\n\t"

/* What rounds a sum: where negative outputs are clamped away, halves of them may go either way. */
#define TINYC_PLANAR_ROUND(sum, half) "smmlar " sum ", " sum ", lr, " half "\n\t"
#define TINYC_PLANAR_ROUND_SIGNED(sum, half) \
    "add    r10, " half ", " sum             \
    ", asr #31\n\t"                          \
    "smmlar " sum ", " sum ", lr, r10\n\t"

#define TINYC_PLANAR_STORE(sum) \
    "asr    " sum ", " sum      \
    ", r6\n\t"                  \
    "ssat   " sum ", #8, " sum  \
    "\n\t"                      \
    "strb   " sum ", [r1], #8\n\t"

/* The end of an unrolled loop of rounds. */
#define TINYC_PLANAR_AGAIN    \
    "sub    r6, r6, #256\n\t" \
    "tst    r6, #0xff00\n\t"  \
    "bne    20b\n"

/* One position for three sums, of which `last` is complete. pair: the cells of both lines of a
 * pair; single, half: those of which one line is seen, B the first, T the second. */
#define TINYC_PLANAR_STEP(next, middle, last, pair, single, half, round)      \
    TINYC_PLANAR_LOAD                                                         \
    "ldr.w  " next                                                            \
    ", [sp, #48]\n\t"                                                         \
    "smlad  " next ", " pair ", r2, " next                                    \
    "\n\t"                                                                    \
    "smlad  " middle ", " pair ", r3, " middle                                \
    "\n\t"                                                                    \
    "smlad  " last ", " pair ", r4, " last                                    \
    "\n\t"                                                                    \
    "smla" half "b " next ", " single ", r5, " next                           \
    "\n\t"                                                                    \
    "smla" half "t " middle ", " single ", r5, " middle                       \
    "\n\t"                                                                    \
    "smla" half "t " last ", " single ", r6, " last "\n\t" round(last, "r12") \
        TINYC_PLANAR_STORE(last)

/* A line: two positions before the first output, then one for each. Three sums take turns; where
 * the outputs are no multiple of six, the first round begins within. */
#define TINYC_PLANAR_LINE(pair, single, half, round) \
    TINYC_PLANAR_LOAD                                \
    "ldr.w  r7, [sp, #48]\n\t"                                     \
    "smlad  r7, " pair ", r2, r7\n\t"                              \
    "smla" half "b r7, " single ", r5, r7\n\t"                     \
    TINYC_PLANAR_LOAD                                              \
    "ldr.w  r8, [sp, #48]\n\t"                                     \
    "smlad  r8, " pair ", r2, r8\n\t"                              \
    "smlad  r7, " pair ", r3, r7\n\t"                              \
    "smla" half "b r8, " single ", r5, r8\n\t"                     \
    "smla" half "t r7, " single ", r5, r7\n\t"                     \
    "tbb    [pc, r9]\n"                                            \
    "2:\n\t"                                                       \
    ".byte (20f - 2b) / 2, (11f - 2b) / 2, (12f - 2b) / 2\n\t"     \
    ".byte (23f - 2b) / 2, (14f - 2b) / 2, (15f - 2b) / 2\n"       \
    "11:\n\t"                                                      \
    "mov    r9, r8\n\t"                                            \
    "mov    r8, r7\n\t"                                            \
    "b      21f\n"                                                 \
    "12:\n\t"                                                      \
    "mov    r9, r7\n\t"                                            \
    "mov    r7, r8\n\t"                                            \
    "b      22f\n"                                                 \
    "14:\n\t"                                                      \
    "mov    r9, r8\n\t"                                            \
    "mov    r8, r7\n\t"                                            \
    "b      24f\n"                                                 \
    "15:\n\t"                                                      \
    "mov    r9, r7\n\t"                                            \
    "mov    r7, r8\n\t"                                            \
    "b      25f\n\t"                                               \
    ".balign 4\n"                                                  \
    "20:\n\t"                                                      \
    TINYC_PLANAR_STEP("r9", "r8", "r7", pair, single, half, round) \
    "21:\n\t"                                                      \
    TINYC_PLANAR_STEP("r7", "r9", "r8", pair, single, half, round) \
    "22:\n\t"                                                      \
    TINYC_PLANAR_STEP("r8", "r7", "r9", pair, single, half, round) \
    "23:\n\t"                                                      \
    TINYC_PLANAR_STEP("r9", "r8", "r7", pair, single, half, round) \
    "24:\n\t"                                                      \
    TINYC_PLANAR_STEP("r7", "r9", "r8", pair, single, half, round) \
    "25:\n\t"                                                      \
    TINYC_PLANAR_STEP("r8", "r7", "r9", pair, single, half, round) \
    TINYC_PLANAR_AGAIN

/* Stride 1. The next line's windows begin at the second line of a pair: the single line is that,
 * and the weights move on by one line. */
#define TINYC_PLANAR_STRIDE_1(round) \
    TINYC_PLANAR_ENTER               \
    TINYC_PLANAR_CHANNEL             \
    "str    r12, [sp, #48]\n\t"                     \
    "mov    r12, r7\n\t"                            \
    TINYC_PLANAR_LINE("r10", "r11", "b", round)     \
    "ldr.w  r11, [sp, #12]\n\t"                     \
    "ldr    r1, [sp, #56]\n\t"                      \
    "ldr    r0, [sp, #4]\n\t"                       \
    "ldr.w  r8, [r11, #4]\n\t"                      \
    "ldr.w  r9, [r11, #8]\n\t"                      \
    "cmp    r1, #0\n\t"                             \
    "beq.w  3f\n\t"                                 \
    "add    r1, r0, #4\n\t"                         \
    "ldr    r0, [sp]\n\t"                           \
    "pkhbt  r10, r2, r3, lsl #16\n\t"               \
    "asr    r2, r2, #16\n\t"                        \
    "pkhbt  r2, r2, r5, lsl #16\n\t"                \
    "pkhtb  r3, r5, r3, asr #16\n\t"                \
    "pkhbt  r5, r6, r4, lsl #16\n\t"                \
    "pkhtb  r4, r6, r4, asr #16\n\t"                \
    "add    r6, r5, r8, lsl #8\n\t"                 \
    "mov    r5, r10\n\t"                            \
    TINYC_PLANAR_LINE("r11", "r10", "t", round)     \
    "3:\n\t"                                        \
    TINYC_PLANAR_LEAVE

/* Stride 2: two positions for an output, the second of which is the first of the next one. */
#define TINYC_PLANAR_STEP_2(next, last, round)                                                   \
    TINYC_PLANAR_LOAD                                                                            \
    "smlad  " last ", r10, r3, " last                                                            \
    "\n\t"                                                                                       \
    "smlabt " last ", r11, r5, " last "\n\t" TINYC_PLANAR_LOAD "smlad  " last ", r10, r4, " last \
    "\n\t"                                                                                       \
    "smlad  " next                                                                               \
    ", r10, r2, r12\n\t"                                                                         \
    "smlabt " last ", r11, r6, " last                                                            \
    "\n\t"                                                                                       \
    "smlabb " next ", r11, r5, " next "\n\t" round(last, "r9") TINYC_PLANAR_STORE(last)

#define TINYC_PLANAR_STRIDE_2(round)                                                          \
    TINYC_PLANAR_ENTER                                                                        \
    TINYC_PLANAR_CHANNEL                                                                      \
    "mov    r8, r9\n\t"                                                                       \
    "mov    r9, r7\n\t" TINYC_PLANAR_LOAD                                                     \
    "smlad  r7, r10, r2, r12\n\t"                                                             \
    "smlabb r7, r11, r5, r7\n\t"                                                              \
    "tbb    [pc, r8]\n"                                                                       \
    "2:\n\t"                                                                                  \
    ".byte (20f - 2b) / 2, (11f - 2b) / 2\n\t"                                                \
    ".byte (22f - 2b) / 2, (13f - 2b) / 2\n"                                                  \
    "11:\n\t"                                                                                 \
    "mov    r8, r7\n\t"                                                                       \
    "b      21f\n"                                                                            \
    "13:\n\t"                                                                                 \
    "mov    r8, r7\n\t"                                                                       \
    "b      23f\n\t"                                                                          \
    ".balign 4\n"                                                                             \
    "20:\n\t" TINYC_PLANAR_STEP_2("r8", "r7", round) "21:\n\t" TINYC_PLANAR_STEP_2(           \
        "r7", "r8",                                                                           \
        round) "22:\n\t" TINYC_PLANAR_STEP_2("r8", "r7",                                      \
                                             round) "23:\n\t" TINYC_PLANAR_STEP_2("r7", "r8", \
                                                                                  round)      \
        TINYC_PLANAR_AGAIN TINYC_PLANAR_LEAVE

#define TINYC_PLANAR_SUMS(name, body)                                                          \
    __attribute__((naked, noinline, unused)) static void name(                                 \
        __attribute__((unused)) const uint32_t *cells, __attribute__((unused)) int8_t *staged, \
        __attribute__((unused)) const int32_t *table,                                          \
        __attribute__((unused)) const struct tinyc_planar *layer,                              \
        __attribute__((unused)) int32_t both)                                                  \
    {                                                                                          \
        __asm__ volatile(body);                                                                \
    }

TINYC_PLANAR_SUMS(tinyc_planar_sums_1, TINYC_PLANAR_STRIDE_1(TINYC_PLANAR_ROUND))
TINYC_PLANAR_SUMS(tinyc_planar_sums_1_signed, TINYC_PLANAR_STRIDE_1(TINYC_PLANAR_ROUND_SIGNED))
TINYC_PLANAR_SUMS(tinyc_planar_sums_2, TINYC_PLANAR_STRIDE_2(TINYC_PLANAR_ROUND))
TINYC_PLANAR_SUMS(tinyc_planar_sums_2_signed, TINYC_PLANAR_STRIDE_2(TINYC_PLANAR_ROUND_SIGNED))

#else

/* The doubled weight of a line and a position of the window. */
TINYC_INLINE int32_t tinyc_planar_weight(const int32_t *entry, int32_t line, int32_t position)
{
    static const int8_t bytes[9] = {0, 1, 4, 2, 3, 6, 5, 7, -1};
    int8_t packed[8];

    memcpy(packed, entry, sizeof packed);
    return line + position == 4 ? entry[2] >> 16 : 2 * packed[bytes[3 * line + position]];
}

TINYC_INLINE int8_t tinyc_planar_output(const uint32_t *cells, const int32_t *entry,
                                        const struct tinyc_planar *layer, int32_t first,
                                        int32_t is_signed)
{
    const int32_t shift = entry[2] & 0xff;
    int32_t acc = entry[3];
    int32_t half = layer->half * (1 << (shift - 1));

    for (int32_t line = 0; line < 3; line++) {
        for (int32_t position = 0; position < 3; position++) {
            const int32_t y = first + line;
            const uint32_t pair = cells[position * TINYC_CELLS + y / 2 * TINYC_CELL];
            const int32_t x = y % 2 ? tinyc_high(pair) : tinyc_low(pair);
            acc += x * tinyc_planar_weight(entry, line, position);
        }
    }
    half += is_signed && acc < 0 ? -1 : 0;
    return (int8_t)tinyc_ssat8((tinyc_smmulr(acc, entry[4]) + half) >> shift);
}

TINYC_INLINE void tinyc_planar_sums_c(const uint32_t *cells, int8_t *staged, const int32_t *table,
                                      const struct tinyc_planar *layer, int32_t both,
                                      int32_t stride, int32_t is_signed)
{
    for (int32_t first = 0; first < (both ? 2 : 1); first++) {
        for (int32_t i = 0; i < layer->out_positions; i++) {
            for (int32_t c = 0; c < 4; c++) {
                staged[8 * i + 4 * first + c] = tinyc_planar_output(
                    cells + i * stride * TINYC_CELLS + c, table + 5 * c, layer, first, is_signed);
            }
        }
    }
}

#define TINYC_PLANAR_SUMS(name, stride, is_signed)                                      \
    TINYC_INLINE void name(const uint32_t *cells, int8_t *staged, const int32_t *table, \
                           const struct tinyc_planar *layer, int32_t both)              \
    {                                                                                   \
        tinyc_planar_sums_c(cells, staged, table, layer, both, stride, is_signed);      \
    }

TINYC_PLANAR_SUMS(tinyc_planar_sums_1, 1, 0)
TINYC_PLANAR_SUMS(tinyc_planar_sums_1_signed, 1, 1)
TINYC_PLANAR_SUMS(tinyc_planar_sums_2, 2, 0)
TINYC_PLANAR_SUMS(tinyc_planar_sums_2_signed, 2, 1)

#endif

/* Two lines of outputs of four channels to where they belong, of which the first `overlap` have
 * been there before. */
TINYC_INLINE void tinyc_planar_store(int8_t *to, int8_t *second, int8_t *staged,
                                     const struct tinyc_planar *layer, int32_t overlap)
{
    if (layer->low > INT8_MIN || layer->high < INT8_MAX) {
        tinyc_planar_clamp(staged, layer);
    }
    if (overlap) {
        tinyc_planar_put_rest(to, second, staged, layer, overlap);
    } else {
        tinyc_planar_put(to, second, staged, layer);
    }
}

/* All lines of four channels, then those of the next four, see tinyc_overlap: each output is
 * computed of its own channel's inputs alone, and may be written over such as no later line sees.
 * scratch: tinyc_planar_words, and two words for each output of a line.
 */
TINYC_INLINE void tinyc_depthwise_planar(const int8_t *in, int8_t *out, uint8_t *scratch,
                                         const int32_t *table, const struct tinyc_planar *layer,
                                         int32_t stride, tinyc_planar_sums *sums)
{
    const int32_t count = layer->out_lines;
    const int32_t pairs = stride == 1 ? (count + 1) / 2 : count;
    int8_t *const staged = (int8_t *)scratch + 4 * tinyc_planar_words(layer, pairs);

    for (int32_t c = 0; c < layer->channels; c += 4) {
        const int32_t overlap = tinyc_overlap(c, layer->channels);
        const int32_t channel = c - overlap;
        uint32_t *cells = (uint32_t *)(void *)scratch;
        int8_t *to = out + channel;
        int32_t y = -layer->above;

        tinyc_planar_pair(cells, in + channel, y, layer);
        for (int32_t left = count; left > 0; left -= 2) {
            const int32_t both = left > 1;
            for (int32_t k = 0; k < (stride == 1 ? 1 : 1 + both); k++) {
                y += 2;
                tinyc_planar_pair(cells + TINYC_CELL, in + channel, y, layer);
                sums(cells, staged + 4 * k, table, layer, stride == 1 && both);
                cells += TINYC_CELL;
            }
            tinyc_planar_store(to, both ? to + layer->out_line : to, staged, layer, overlap);
            to += 2 * layer->out_line;
        }
        table += 20;
    }
}

/* A whole image; one function for all layers of a stride. */
#define TINYC_DEPTHWISE_PLANAR(name, stride, sums)                                        \
    static TINYC_SHARED void name(const int8_t *in, int8_t *out, uint8_t *scratch,        \
                                  const int32_t *table, const struct tinyc_planar *layer) \
    {                                                                                     \
        tinyc_depthwise_planar(in, out, scratch, table, layer, stride, sums);             \
    }

TINYC_DEPTHWISE_PLANAR(tinyc_depthwise_planar_1, 1, tinyc_planar_sums_1)
TINYC_DEPTHWISE_PLANAR(tinyc_depthwise_planar_1_signed, 1, tinyc_planar_sums_1_signed)
TINYC_DEPTHWISE_PLANAR(tinyc_depthwise_planar_2, 2, tinyc_planar_sums_2)
TINYC_DEPTHWISE_PLANAR(tinyc_depthwise_planar_2_signed, 2, tinyc_planar_sums_2_signed)

/* Two lines of outputs of four that lie in the image, as most strips of stride 1 have them. What
 * lies beside the image is the same for all channels. */
TINYC_INLINE void tinyc_depthwise_planar_two(const int8_t *in, int8_t *out, uint8_t *scratch,
                                             const int32_t *table, const struct tinyc_planar *layer,
                                             tinyc_planar_sums *sums)
{
    uint32_t *const cells = (uint32_t *)(void *)scratch;
    uint32_t *const inside = cells + layer->before * TINYC_CELLS;
    uint32_t *const behind = inside + layer->positions * TINYC_CELLS;
    int8_t *const staged = (int8_t *)(cells + tinyc_planar_words(layer, 1));
    int32_t left = layer->channels;

    for (int32_t k = 0; k < 2; k++) {
        (void)tinyc_planar_padding(cells + k * TINYC_CELL, layer->zeros, layer->before);
        (void)tinyc_planar_padding(behind + k * TINYC_CELL, layer->zeros, layer->after);
    }
    for (; left >= 4; left -= 4) {
        tinyc_planar_four(inside, in, layer);
        sums(cells, staged, table, layer, 1);
        tinyc_planar_store(out, out + layer->out_line, staged, layer, 0);
        in += 4;
        out += 4;
        table += 20;
    }
    if (left > 0) {
        const int32_t overlap = 4 - left;
        tinyc_planar_four(inside, in - overlap, layer);
        sums(cells, staged, table, layer, 1);
        tinyc_planar_store(out - overlap, out - overlap + layer->out_line, staged, layer, overlap);
    }
}

/* Some rows of an image, which are its lines. */
#define TINYC_DEPTHWISE_PLANAR_STRIP(name, whole, sums)                                   \
    static TINYC_SHARED void name(const int8_t *in, int8_t *out, uint8_t *scratch,        \
                                  const int32_t *table, const struct tinyc_planar *layer) \
    {                                                                                     \
        if (layer->out_lines == 2 && layer->above == 0 && layer->lines >= 4) {            \
            tinyc_depthwise_planar_two(in, out, scratch, table, layer, sums);             \
        } else {                                                                          \
            whole(in, out, scratch, table, layer);                                        \
        }                                                                                 \
    }

TINYC_DEPTHWISE_PLANAR_STRIP(tinyc_depthwise_planar_1_strip, tinyc_depthwise_planar_1,
                             tinyc_planar_sums_1)
TINYC_DEPTHWISE_PLANAR_STRIP(tinyc_depthwise_planar_1_signed_strip, tinyc_depthwise_planar_1_signed,
                             tinyc_planar_sums_1_signed)

#endif
