/* Fully connected layers of int8 on cores without SIMD: the weights of two channels in one
 * register.
 *
 * The word v0 + 65536 * v1 of two weights plus 128, 1 to 255, times an input, which is t, makes two
 * products: both += t; upper += t >> 16. t >> 16 is the product with v1, less 1 where the input is
 * negative, whatever the weights are. So both - 65536 * upper is the sum with v0, once `upper` has
 * as much as there are negative inputs.
 *
 * weights: for each four channels, for each input, one byte a channel, plus 128;
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

/* sums: `both` and `upper` of channels 0 and 2, and of 1 and 3; depth: a multiple of 4. */
__attribute__((naked, noinline, unused)) static void tinyc_dense_sums_thumb2(
    __attribute__((unused)) uint32_t *sums, __attribute__((unused)) const int8_t *x,
    __attribute__((unused)) const int8_t *weights, __attribute__((unused)) int32_t depth)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r4-r11, lr}\n\t"
        "ldm    r0, {r4-r7}\n\t"
        "mov    r8, #0x00ff00ff\n\t"
        "tst    r3, #4\n\t"
        "add    r3, r1\n\t"
        "bne    2f\n"
        "1:\n\t"
        ".rept 2\n\t" TINYC_DENSE_INPUTS
        ".endr\n"
        "2:\n\t"
        ".rept 2\n\t" TINYC_DENSE_INPUTS
        ".endr\n\t"
        "cmp    r1, r3\n\t"
        "bne    1b\n\t"
        "stm    r0, {r4-r7}\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

static TINYC_SHARED void tinyc_dense_sums_thumb2(uint32_t *sums, const int8_t *x,
                                                 const int8_t *weights, int32_t depth)
{
    for (int32_t k = 0; k < depth; k++, weights += 4) {
        for (int32_t i = 0; i < 2; i++) {
            const uint32_t pair = (uint8_t)weights[i] | ((uint32_t)(uint8_t)weights[i + 2] << 16);
            const uint32_t t = (uint32_t)x[k] * pair;
            sums[2 * i] += t;
            sums[2 * i + 1] += (uint32_t)((int32_t)t >> 16);
        }
    }
}

#endif

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
                                          int32_t high, tinyc_dense_rescale *rescale)
{
    for (int32_t b = 0; b < batches; b++, in += depth) {
        const int8_t *filter = weights;
        const int32_t *entry = table;
        int32_t total = 0;
        int32_t negative = 0;
        for (int32_t k = 0; k < depth; k++) {
            total += in[k];
            negative += in[k] < 0;
        }
        for (int32_t left = channels; left > 0; left -= 4, filter += 4 * depth) {
            uint32_t sums[4];
            for (int32_t i = 0; i < 2; i++) {
                const uint32_t first = (uint32_t)entry[3 * i] - 128U * (uint32_t)total;
                const uint32_t second = (uint32_t)entry[3 * i + 6] - 128U * (uint32_t)total;
                sums[2 * i] = first + (second << 16);
                sums[2 * i + 1] = second + (uint32_t)negative;
            }
            tinyc_dense_sums_thumb2(sums, in, filter, depth);
            for (int32_t i = 0; i < (left < 4 ? left : 4); i++, entry += 3) {
                const uint32_t *const pair = sums + i % 2 * 2;
                const uint32_t sum = i < 2 ? pair[0] - (pair[1] << 16) : pair[1];
                const int32_t y = rescale((int32_t)sum, entry);
                *out++ = (int8_t)tinyc_clamp_offset(y, zero_point, low, high);
            }
        }
    }
}

/* Fully connected layers, whose sums are rounded once. */
static TINYC_SHARED void tinyc_dense_thumb2(const int8_t *in, int8_t *out, const int8_t *weights,
                                            const int32_t *table, int32_t batches, int32_t depth,
                                            int32_t channels, int32_t zero_point, int32_t low,
                                            int32_t high)
{
    tinyc_dense_rows_thumb2(in, out, weights, table, batches, depth, channels, zero_point, low,
                            high, tinyc_dense_thumb2_once);
}

/* The only pixel of a convolution, whose sums are rounded twice. */
static TINYC_SHARED void tinyc_pixel_thumb2(const int8_t *in, int8_t *out, const int8_t *weights,
                                            const int32_t *table, int32_t depth, int32_t channels,
                                            int32_t zero_point, int32_t low, int32_t high)
{
    tinyc_dense_rows_thumb2(in, out, weights, table, 1, depth, channels, zero_point, low, high,
                            tinyc_dense_twice);
}

#endif
