/* Four pixels with two channels at a time on cores without SIMD: two pixels in one register.
 *
 * A word of a column is x0 + 129 + 65536 * x1 of two pixels, so that one multiplication by a
 * weight, which is t, makes two products: both += t; upper += t >> 16. As x0 + 129 is 1 to 256,
 * t >> 16 is the product with x1, less 1 where the weight is negative. Where `upper` begins with
 * the count of those, it ends as the sum of pixel 1, and both - 65536 * upper as that of pixel 0,
 * but for 129 for each weight; whatever the weights are, and modulo 2^32.
 *
 * columns: for each input one row of two words, of pixels 0 and 1, and of 2 and 3;
 * weights: for each pair of channels, for each input, one of each, of 8, 4 or 2 bits;
 * table:   of each channel where `both` and `upper` begin, and the two words with which it is
 * stored, see tinyc_store_thumb2.h. */
#ifndef TINYC_PAIRS_THUMB2_H
#define TINYC_PAIRS_THUMB2_H

#include "tinyc_store_thumb2.h"

/* `count` inputs of four pixels, whose first are at from[0] to from[3]; returns the next row. */
static TINYC_SHARED uint32_t *tinyc_put_pairs(uint32_t *columns, const int8_t *const *from,
                                              int32_t count)
{
    const int8_t *const x0 = from[0];
    const int8_t *const x1 = from[1];
    const int8_t *const x2 = from[2];
    const int8_t *const x3 = from[3];

    for (int32_t i = 0; i < count; i++, columns += 2) {
        columns[0] = (uint32_t)(x0[i] + 129) + ((uint32_t)x1[i] << 16);
        columns[1] = (uint32_t)(x2[i] + 129) + ((uint32_t)x3[i] << 16);
    }
    return columns;
}

/* What is the same for all pixels of a layer. */
struct tinyc_pairs {
    const int8_t *weights;
    const int32_t *table;
    int32_t channels, depth; /* depth: inputs of a pixel, rounded up to fours */
    int32_t zero_point;
};

/* All channels of four pixels. out: four rows of channels, `stride` bytes apart. */
typedef void tinyc_pairs_tile(const struct tinyc_pairs *layer, const uint32_t *columns, int8_t *out,
                              int32_t stride);

#if TINYC_THUMB2

/* One input: r0: weights, r1: columns, both moved on; r2 to r9: `both` and `upper` of pixels 0 and
 * 1, then of 2 and 3, then the same of the second channel; r10, r11, r12 and lr are lost. load: the
 * weights into r10 and r11, and a word of the column into r12. */
#define TINYC_PAIRS_INPUT(load)            \
    load "mul    lr, r10, r12\n\t"         \
         "add    r2, lr\n\t"               \
         "add    r3, r3, lr, asr #16\n\t"  \
         "mul    r12, r11, r12\n\t"        \
         "add    r6, r12\n\t"              \
         "add    r7, r7, r12, asr #16\n\t" \
         "ldr    r12, [r1], #4\n\t"        \
         "mul    r10, r10, r12\n\t"        \
         "add    r4, r10\n\t"              \
         "add    r5, r5, r10, asr #16\n\t" \
         "mul    r11, r11, r12\n\t"        \
         "add    r8, r11\n\t"              \
         "add    r9, r9, r11, asr #16\n\t"

/* Four inputs, by weights of so many bits, those of both channels side by side. */
#define TINYC_PAIRS_LOAD_8     \
    "ldrsb  r10, [r0], #1\n\t" \
    "ldrsb  r11, [r0], #1\n\t" \
    "ldr    r12, [r1], #4\n\t"
#define TINYC_PAIRS_LOAD_4     \
    "ldrsb  r10, [r0], #1\n\t" \
    "ldr    r12, [r1], #4\n\t" \
    "asr    r11, r10, #4\n\t"  \
    "sbfx   r10, r10, #0, #4\n\t"
#define TINYC_PAIRS_LOAD_LOWER_2  \
    "ldrsb  r10, [r0]\n\t"        \
    "ldr    r12, [r1], #4\n\t"    \
    "sbfx   r11, r10, #2, #2\n\t" \
    "sbfx   r10, r10, #0, #2\n\t"
#define TINYC_PAIRS_LOAD_UPPER_2 \
    "ldrsb  r10, [r0], #1\n\t"   \
    "ldr    r12, [r1], #4\n\t"   \
    "asr    r11, r10, #6\n\t"    \
    "sbfx   r10, r10, #4, #2\n\t"
#define TINYC_PAIRS_QUAD_8 ".rept 4\n\t" TINYC_PAIRS_INPUT(TINYC_PAIRS_LOAD_8) ".endr\n\t"
#define TINYC_PAIRS_QUAD_4 ".rept 4\n\t" TINYC_PAIRS_INPUT(TINYC_PAIRS_LOAD_4) ".endr\n\t"
#define TINYC_PAIRS_QUAD_2                                    \
    ".rept 2\n\t" TINYC_PAIRS_INPUT(TINYC_PAIRS_LOAD_LOWER_2) \
        TINYC_PAIRS_INPUT(TINYC_PAIRS_LOAD_UPPER_2) ".endr\n\t"

/* A channel's four pixels, stored by `store`. r0, r1: its two words, r12: zero point, r10: where
 * they belong, r11: from one to the next. */
#define TINYC_PAIRS_CHANNEL(store, a, b, c, d)                                                     \
    "sub    " a ", " a ", " b                                                                      \
    ", lsl #16\n\t"                                                                                \
    "sub    " c ", " c ", " d                                                                      \
    ", lsl #16\n\t" store(a, "lr", "r0", "r1", "r12", "r10") "add    r10, r11\n\t" store(          \
        b, "lr", "r0", "r1", "r12",                                                                \
        "r10") "add    r10, r11\n\t" store(c, "lr", "r0", "r1", "r12",                             \
                                           "r10") "add    r10, r11\n\t" store(d, "lr", "r0", "r1", \
                                                                              "r12", "r10")

/* On the stack: weights, table, channels, depth, zero point; columns, out, stride. */
#define TINYC_DEFINE_PAIRS(name, store, bits, quad)                                           \
    __attribute__((naked, noinline, unused)) static void name(                                \
        __attribute__((unused)) const struct tinyc_pairs *layer,                              \
        __attribute__((unused)) const uint32_t *columns, __attribute__((unused)) int8_t *out, \
        __attribute__((unused)) int32_t stride)                                               \
    {                                                                                         \
        __asm__ volatile( \
        ".syntax unified\n\t" \
        "push   {r1-r11, lr}\n\t" \
        "ldm    r0, {r4-r8}\n\t" \
        "lsl    r7, r7, #1\n\t" \
        ".if " #bits " < 8\n\t" \
        "lsr    r7, r7, #8 / " #bits " / 2\n\t" \
        ".endif\n\t" \
        "push   {r4-r8}\n" \
        "1:\n\t" \
        "ldr    r0, [sp]\n\t" \
        "ldr    r12, [sp, #4]\n\t" \
        "ldr    r10, [sp, #12]\n\t" \
        "ldr    r1, [sp, #20]\n\t" \
        "ldrd   r2, r3, [r12]\n\t" \
        "ldrd   r6, r7, [r12, #16]\n\t" \
        "add    lr, r0, r10\n\t" \
        "str    lr, [sp]\n\t" \
        "mov    r4, r2\n\t" \
        "mov    r5, r3\n\t" \
        "mov    r8, r6\n\t" \
        "mov    r9, r7\n\t" \
        "tst    r10, #" #bits "\n\t" \
        "bne    3f\n" \
        "2:\n\t" \
        quad "3:\n\t" quad \
        "ldr    lr, [sp]\n\t" \
        "cmp    r0, lr\n\t" \
        "bne    2b\n\t" \
        "ldr    lr, [sp, #4]\n\t" \
        "ldr    r12, [sp, #16]\n\t" \
        "ldr    r10, [sp, #24]\n\t" \
        "ldr    r11, [sp, #28]\n\t" \
        "ldrd   r0, r1, [lr, #8]\n\t" \
        TINYC_PAIRS_CHANNEL(store, "r2", "r3", "r4", "r5") \
        "ldr    r2, [sp, #8]\n\t" \
        "ldr    r3, [sp, #4]\n\t" \
        "ldr    r10, [sp, #24]\n\t" \
        "subs   r2, #1\n\t" \
        "beq    4f\n\t" \
        "ldrd   r0, r1, [r3, #24]\n\t" \
        "add    r3, #32\n\t" \
        "str    r3, [sp, #4]\n\t" \
        "add    r10, #1\n\t" \
        "add    r3, r10, #1\n\t" \
        "str    r3, [sp, #24]\n\t" \
        "subs   r2, #1\n\t" \
        "str    r2, [sp, #8]\n\t" \
        TINYC_PAIRS_CHANNEL(store, "r6", "r7", "r8", "r9") \
        "ldr    r2, [sp, #8]\n\t" \
        "cmp    r2, #0\n\t" \
        "bne    1b\n" \
        "4:\n\t" \
        "add    sp, #32\n\t" \
        "pop    {r4-r11, pc}\n\t");                                                                   \
    }

#else

/* One of many of so many bits, the first in the lowest. */
TINYC_INLINE int32_t tinyc_pairs_weight(const int8_t *weights, int32_t at, int32_t bits)
{
    const uint32_t byte = (uint8_t)weights[at * bits / 8];
    return (int8_t)(byte << (8 - bits - at * bits % 8)) >> (8 - bits);
}

#define TINYC_DEFINE_PAIRS(name, store, bits, quad)                                             \
    static TINYC_SHARED void name(const struct tinyc_pairs *layer, const uint32_t *columns,     \
                                  int8_t *out, int32_t stride)                                  \
    {                                                                                           \
        for (int32_t c = 0; c < layer->channels; c++) {                                         \
            const int32_t *const entry = layer->table + 4 * c;                                  \
            for (int32_t p = 0; p < 4; p += 2) {                                                \
                uint32_t both = (uint32_t)entry[0];                                             \
                uint32_t upper = (uint32_t)entry[1];                                            \
                for (int32_t k = 0; k < layer->depth; k++) {                                    \
                    const int32_t at = c / 2 * 2 * layer->depth + 2 * k + c % 2;                \
                    const uint32_t t = (uint32_t)tinyc_pairs_weight(layer->weights, at, bits) * \
                                       columns[2 * k + p / 2];                                  \
                    both += t;                                                                  \
                    upper += (uint32_t)((int32_t)t >> 16);                                      \
                }                                                                               \
                const int32_t sums[2] = {(int32_t)(both - (upper << 16)), (int32_t)upper};      \
                for (int32_t i = 0; i < 2; i++) {                                               \
                    store(out + (p + i) * stride + c, sums[i], entry + 2, layer->zero_point);   \
                }                                                                               \
            }                                                                                   \
        }                                                                                       \
    }

#endif

TINYC_DEFINE_PAIRS(tinyc_pairs_away, TINYC_STORE_AWAY, 8, TINYC_PAIRS_QUAD_8)
TINYC_DEFINE_PAIRS(tinyc_pairs_lowest, TINYC_STORE_LOWEST, 8, TINYC_PAIRS_QUAD_8)
TINYC_DEFINE_PAIRS(tinyc_pairs_4_away, TINYC_STORE_AWAY, 4, TINYC_PAIRS_QUAD_4)
TINYC_DEFINE_PAIRS(tinyc_pairs_4_lowest, TINYC_STORE_LOWEST, 4, TINYC_PAIRS_QUAD_4)
TINYC_DEFINE_PAIRS(tinyc_pairs_2_away, TINYC_STORE_AWAY, 2, TINYC_PAIRS_QUAD_2)
TINYC_DEFINE_PAIRS(tinyc_pairs_2_lowest, TINYC_STORE_LOWEST, 2, TINYC_PAIRS_QUAD_2)

#endif
