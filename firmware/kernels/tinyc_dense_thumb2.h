/* Fully connected layers of int8 on cores without SIMD: the weights of two channels in one
 * register.
 *
 * The word v0 + 65536 * v1 of two weights plus 128, 1 to 255, times an input, which is t, makes two
 * products: both += t; upper += t >> 16. t >> 16 is the product with v1, less 1 where the input is
 * negative, whatever the weights are. So both - 65536 * upper is the sum with v0, once `upper` has
 * as much as there are negative inputs.
 *
 * Weights of few bits have several inputs' in a word. To them 8, or 2, are added, which may make 0,
 * where no product would take 1 from the upper one: inputs plus 128 make none that does.
 *
 * weights: for each four channels, for each input, one byte a channel, plus 128; or of 4 bits for
 * each two inputs, of 2 for each four, those of channels 0 and 1, input by input, then of 2 and 3;
 * table:   bias of each channel, multiplier and right shift, up to whole fours. */
#ifndef TINYC_DENSE_THUMB2_H
#define TINYC_DENSE_THUMB2_H

#include "tinyc_store_thumb2.h"

#if TINYC_THUMB2

/* Two inputs. r1: inputs, r2: weights, both moved on; r4 to r7: sums; r8: 0x00ff00ff. */
#define TINYC_DENSE_INPUTS            \
    "ldr    r9, [r2], #4\n\t"         \
    "ldr    r10, [r2], #4\n\t"        \
    "ldrsb  r11, [r1], #1\n\t"        \
    "ldrsb  r12, [r1], #1\n\t"        \
    "and    lr, r8, r9\n\t"           \
    "mul    lr, r11, lr\n\t"          \
    "add    r4, lr\n\t"               \
    "add    r5, r5, lr, asr #16\n\t"  \
    "and    r9, r8, r9, lsr #8\n\t"   \
    "mul    r9, r11, r9\n\t"          \
    "add    r6, r9\n\t"               \
    "add    r7, r7, r9, asr #16\n\t"  \
    "and    lr, r8, r10\n\t"          \
    "mul    lr, r12, lr\n\t"          \
    "add    r4, lr\n\t"               \
    "add    r5, r5, lr, asr #16\n\t"  \
    "and    r10, r8, r10, lsr #8\n\t" \
    "mul    r10, r12, r10\n\t"        \
    "add    r6, r10\n\t"              \
    "add    r7, r7, r10, asr #16\n\t"

#define TINYC_DENSE_QUAD_8 ".rept 2\n\t" TINYC_DENSE_INPUTS ".endr\n\t"

/* Two channels of the input `x`, whose weights are so many bits up in r9, under the mask r8. */
#define TINYC_DENSE_NARROW(x, both, upper, up) \
    "and    lr, r8, r9, lsr #" up              \
    "\n\t"                                     \
    "mul    lr, " x                            \
    ", lr\n\t"                                 \
    "add    " both                             \
    ", lr\n\t"                                 \
    "add    " upper ", " upper ", lr, asr #16\n\t"

/* Two inputs, whose weights are in r9 from the bit `at` on. */
#define TINYC_DENSE_TWO(at, bits)                                    \
    "ldrb   r11, [r1], #1\n\t"                                       \
    "ldrb   r12, [r1], #1\n\t"                                       \
    "eor    r11, #128\n\t"                                           \
    "eor    r12, #128\n\t" TINYC_DENSE_NARROW("r11", "r4", "r5", at) \
        TINYC_DENSE_NARROW("r11", "r6", "r7", at " + " bits)         \
            TINYC_DENSE_NARROW("r12", "r4", "r5", at " + 2 * " bits) \
                TINYC_DENSE_NARROW("r12", "r6", "r7", at " + 3 * " bits)
#define TINYC_DENSE_QUAD_4 \
    ".rept 2\n\t"          \
    "ldr    r9, [r2], #4\n\t" TINYC_DENSE_TWO("0", "4") ".endr\n\t"
#define TINYC_DENSE_QUAD_2 \
    "ldr    r9, [r2], #4\n\t" TINYC_DENSE_TWO("0", "2") TINYC_DENSE_TWO("8", "2")

/* sums: `both` and `upper` of channels 0 and 2, and of 1 and 3; depth: a multiple of 4; mask: of
 * the weights of two channels; quad: four inputs. */
#define TINYC_DEFINE_DENSE_SUMS(name, bits, mask, quad)                                       \
    __attribute__((naked, noinline, unused)) static void name(                                \
        __attribute__((unused)) uint32_t *sums, __attribute__((unused)) const int8_t *x,      \
        __attribute__((unused)) const int8_t *weights, __attribute__((unused)) int32_t depth) \
    {                                                                                         \
        __asm__ volatile(                                                                     \
            ".syntax unified\n\t"                                                             \
            "push   {r4-r11, lr}\n\t"                                                         \
            "ldm    r0, {r4-r7}\n\t"                                                          \
            "mov    r8, #" #mask                                                              \
            "\n\t"                                                                            \
            "tst    r3, #4\n\t"                                                               \
            "add    r3, r1\n\t"                                                               \
            "bne    2f\n"                                                                     \
            "1:\n\t" quad "2:\n\t" quad                                                       \
            "cmp    r1, r3\n\t"                                                               \
            "bne    1b\n\t"                                                                   \
            "stm    r0, {r4-r7}\n\t"                                                          \
            "pop    {r4-r11, pc}\n\t");                                                       \
    }

#else

/* The weights of the channels i and i + 2 for an input, among others. */
TINYC_INLINE uint32_t tinyc_dense_pair(const int8_t *weights, int32_t k, int32_t i, int32_t bits)
{
    const int32_t inputs = 8 / bits;
    uint32_t word;
    memcpy(&word, weights + k / inputs * 4, sizeof word);
    return word >> (bits * (bits < 8 ? k % inputs * 2 + i : i));
}

#define TINYC_DEFINE_DENSE_SUMS(name, bits, mask, quad)                                   \
    static TINYC_SHARED void name(uint32_t *sums, const int8_t *x, const int8_t *weights, \
                                  int32_t depth)                                          \
    {                                                                                     \
        for (int32_t k = 0; k < depth; k++) {                                             \
            const uint32_t input = (uint32_t)(bits < 8 ? x[k] + 128 : x[k]);              \
            for (int32_t i = 0; i < 2; i++) {                                             \
                const uint32_t pair = tinyc_dense_pair(weights, k, i, bits) & mask;       \
                const uint32_t t = input * pair;                                          \
                sums[2 * i] += t;                                                         \
                sums[2 * i + 1] += (uint32_t)((int32_t)t >> 16);                          \
            }                                                                             \
        }                                                                                 \
    }

#endif

TINYC_DEFINE_DENSE_SUMS(tinyc_dense_sums_8, 8, 0x00ff00ff, TINYC_DENSE_QUAD_8)
TINYC_DEFINE_DENSE_SUMS(tinyc_dense_sums_4, 4, 0x000f000f, TINYC_DENSE_QUAD_4)
TINYC_DEFINE_DENSE_SUMS(tinyc_dense_sums_2, 2, 0x00030003, TINYC_DENSE_QUAD_2)

typedef void tinyc_dense_sums(uint32_t *sums, const int8_t *x, const int8_t *weights,
                              int32_t depth);

/* A sum rescaled by a channel's entry of the table. */
typedef int32_t tinyc_dense_rescale(int32_t sum, const int32_t *entry);

TINYC_INLINE int32_t tinyc_dense_thumb2_once(int32_t sum, const int32_t *entry)
{
    return tinyc_requant1(sum, entry[1], -1 - entry[2]);
}

TINYC_INLINE int32_t tinyc_dense_twice(int32_t sum, const int32_t *entry)
{
    return tinyc_requant2(sum, entry[1], -entry[2]);
}

TINYC_INLINE void tinyc_dense_rows_thumb2(const int8_t *in, int8_t *out, const int8_t *weights,
                                          const int32_t *table, int32_t batches, int32_t depth,
                                          int32_t channels, int32_t zero_point, int32_t low,
                                          int32_t high, int32_t bits, tinyc_dense_sums *add,
                                          tinyc_dense_rescale *rescale)
{
    const uint32_t excess = 1U << (bits - 1);

    for (int32_t b = 0; b < batches; b++, in += depth) {
        const int8_t *filter = weights;
        const int32_t *entry = table;
        int32_t total = 0;
        int32_t negative = 0;
        for (int32_t k = 0; k < depth; k++) {
            total += in[k];
            negative += bits == 8 && in[k] < 0;
        }
        for (int32_t left = channels; left > 0; left -= 4, filter += depth * bits / 2) {
            uint32_t sums[4];
            for (int32_t i = 0; i < 2; i++) {
                const uint32_t first = (uint32_t)entry[3 * i] - excess * (uint32_t)total;
                const uint32_t second = (uint32_t)entry[3 * i + 6] - excess * (uint32_t)total;
                sums[2 * i] = first + (second << 16);
                sums[2 * i + 1] = second + (uint32_t)negative;
            }
            add(sums, in, filter, depth);
            for (int32_t i = 0; i < (left < 4 ? left : 4); i++, entry += 3) {
                const uint32_t *const pair = sums + i % 2 * 2;
                const uint32_t sum = i < 2 ? pair[0] - (pair[1] << 16) : pair[1];
                const int32_t y = rescale((int32_t)sum, entry);
                *out++ = (int8_t)tinyc_clamp_offset(y, zero_point, low, high);
            }
        }
    }
}

/* By weights of so many bits: fully connected layers, whose sums are rounded once, and the only
 * pixel of a convolution, whose sums are rounded twice. */
#define TINYC_DEFINE_DENSE_THUMB2(bits)                                                            \
    static TINYC_SHARED void tinyc_dense_thumb2_##bits(                                            \
        const int8_t *in, int8_t *out, const int8_t *weights, const int32_t *table,                \
        int32_t batches, int32_t depth, int32_t channels, int32_t zero_point, int32_t low,         \
        int32_t high)                                                                              \
    {                                                                                              \
        tinyc_dense_rows_thumb2(in, out, weights, table, batches, depth, channels, zero_point,     \
                                low, high, bits, tinyc_dense_sums_##bits,                          \
                                tinyc_dense_thumb2_once);                                          \
    }                                                                                              \
                                                                                                   \
    static TINYC_SHARED void tinyc_pixel_thumb2_##bits(                                            \
        const int8_t *in, int8_t *out, const int8_t *weights, const int32_t *table, int32_t depth, \
        int32_t channels, int32_t zero_point, int32_t low, int32_t high)                           \
    {                                                                                              \
        tinyc_dense_rows_thumb2(in, out, weights, table, 1, depth, channels, zero_point, low,      \
                                high, bits, tinyc_dense_sums_##bits, tinyc_dense_twice);           \
    }

TINYC_DEFINE_DENSE_THUMB2(8)
TINYC_DEFINE_DENSE_THUMB2(4)
TINYC_DEFINE_DENSE_THUMB2(2)

#endif
