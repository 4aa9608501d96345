/* Fully connected layers of int8 on cores without SIMD and without a long multiplication, four
 * channels at a time: a word of their weights w + 128, shifted right by bytes, times an input is a
 * product for each of them, and a sum of those with a byte less is a sum of all but one of them.
 * Likewise of weights of so few `bits` that those for several inputs share a word. */
#ifndef TINYC_DENSE_ARMV6M_H
#define TINYC_DENSE_ARMV6M_H

#include "tinyc_base.h"
#include "tinyc_registers_armv6m.h"
#include "tinyc_requant.h"

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* The weights for two inputs into r2 and r3. */
#define TINYC_TWO_8 "ldm    r0!, {r2, r3}\n\t"
#define TINYC_TWO_4        \
    "ldm    r0!, {r3}\n\t" \
    "uxth   r2, r3\n\t"    \
    "lsrs   r3, r3, #16\n\t"
#define TINYC_TWO_2       \
    "ldrh   r3, [r0]\n\t" \
    "adds   r0, #2\n\t"   \
    "uxtb   r2, r3\n\t"   \
    "lsrs   r3, r3, #8\n\t"

/* The outputs of a row of inputs, which begins and ends at a word; table: bias with the
 * input's zero point, multiplier, and right shift, less two, of each channel; excess: 2^(bits - 1)
 * times the sum of the inputs; offset: one more than twice the output's zero point.
 *
 * r0: weights; r1: inputs, up to r12; r8 to r11: sums of the words shifted right by no byte to
 * three. On the stack: four sums, r8 to r11, the first four arguments, r4 to r7, lr, the others. */
#define TINYC_DEFINE_DENSE_OUTPUTS(name, bits, two)                                              \
    __attribute__((naked, noinline, unused)) static void name(                                   \
        __attribute__((unused)) const uint8_t *weights,                                          \
        __attribute__((unused)) const int8_t *inputs, __attribute__((unused)) const int8_t *end, \
        __attribute__((unused)) const int32_t *table, __attribute__((unused)) int8_t *out,       \
        __attribute__((unused)) int32_t channels, __attribute__((unused)) int32_t excess,        \
        __attribute__((unused)) int32_t offset)                                                  \
    {                                                                                            \
        __asm__ volatile(                                                                        \
            ".syntax unified\n\t" /* An input for four weights; the word is lost. */             \
            ".macro mac word, input\n\t"                                                         \
            "lsrs   r6, \\word, #" #bits                                                         \
            "\n\t"                                                                               \
            "muls   r6, \\input, r6\n\t"                                                         \
            "add    r9, r9, r6\n\t"                                                              \
            "lsrs   r6, \\word, #2 * " #bits                                                     \
            "\n\t"                                                                               \
            "muls   r6, \\input, r6\n\t"                                                         \
            "add    r10, r10, r6\n\t"                                                            \
            "lsrs   r6, \\word, #3 * " #bits                                                     \
            "\n\t"                                                                               \
            "muls   r6, \\input, r6\n\t"                                                         \
            "add    r11, r11, r6\n\t"                                                            \
            "muls   \\word, \\input, \\word\n\t"                                                 \
            "add    r8, r8, \\word\n\t"                                                          \
            ".endm\n\t"                                                                          \
            "push   {r0-r7, lr}\n\t" TINYC_HIGH_TO_LOW                                           \
            "push   {r4-r7}\n\t"                                                                 \
            "sub    sp, #16\n\t"                                                                 \
            "1:\n"                                                                               \
            "movs   r1, #0\n\t"                                                                  \
            "mov    r8, r1\n\t"                                                                  \
            "mov    r9, r1\n\t"                                                                  \
            "mov    r10, r1\n\t"                                                                 \
            "mov    r11, r1\n\t"                                                                 \
            "ldr    r1, [sp, #40]\n\t" /* end */                                                 \
            "mov    r12, r1\n\t"                                                                 \
            "ldr    r1, [sp, #36]\n\t" /* inputs */                                              \
            "2:\n"                                                                               \
            "ldm    r1!, {r7}\n\t" two                                                           \
            "sxtb   r4, r7\n\t"                                                                  \
            "lsls   r5, r7, #16\n\t"                                                             \
            "asrs   r5, r5, #24\n\t"                                                             \
            "mac    r2, r4\n\t"                                                                  \
            "mac    r3, r5\n\t" two                                                              \
            "lsls   r4, r7, #8\n\t"                                                              \
            "asrs   r4, r4, #24\n\t"                                                             \
            "asrs   r5, r7, #24\n\t"                                                             \
            "mac    r2, r4\n\t"                                                                  \
            "mac    r3, r5\n\t"                                                                  \
            "cmp    r1, r12\n\t"                                                                 \
            "bne    2b\n\t"                                                                      \
            "str    r0, [sp, #32]\n\t" /* weights */ /* The sum of a weight is that of its word  \
                                                        less 2^bits times that of the next, and  \
                                                        less the excess. */                      \
            "mov    r1, r8\n\t"                                                                  \
            "mov    r2, r9\n\t"                                                                  \
            "mov    r3, r10\n\t"                                                                 \
            "mov    r4, r11\n\t"                                                                 \
            "ldr    r5, [sp, #76]\n\t" /* excess */                                              \
            "lsls   r6, r2, #" #bits                                                             \
            "\n\t"                                                                               \
            "subs   r1, r1, r6\n\t"                                                              \
            "subs   r1, r1, r5\n\t"                                                              \
            "lsls   r6, r3, #" #bits                                                             \
            "\n\t"                                                                               \
            "subs   r2, r2, r6\n\t"                                                              \
            "subs   r2, r2, r5\n\t"                                                              \
            "lsls   r6, r4, #" #bits                                                             \
            "\n\t"                                                                               \
            "subs   r3, r3, r6\n\t"                                                              \
            "subs   r3, r3, r5\n\t"                                                              \
            "subs   r4, r4, r5\n\t"                                                              \
            "mov    r6, sp\n\t"                                                                  \
            "mov    r8, r6\n\t"                                                                  \
            "stm    r6!, {r1-r4}\n\t"  /* Those of the four that are channels: r8 to r9. */      \
            "ldr    r0, [sp, #72]\n\t" /* channels */                                            \
            "movs   r1, #4\n\t"                                                                  \
            "cmp    r0, r1\n\t"                                                                  \
            "bge    3f\n\t"                                                                      \
            "movs   r1, r0\n\t"                                                                  \
            "3:\n"                                                                               \
            "subs   r0, r0, r1\n\t"                                                              \
            "str    r0, [sp, #72]\n\t" /* channels */                                            \
            "lsls   r1, r1, #2\n\t"                                                              \
            "add    r1, r1, r8\n\t"                                                              \
            "mov    r9, r1\n\t"                                                                  \
            "ldr    r7, [sp, #44]\n\t" /* table */                                               \
            "4:\n"                                                                               \
            "mov    r5, r8\n\t"                                                                  \
            "ldm    r5!, {r0}\n\t"                                                               \
            "mov    r8, r5\n\t"                                                                  \
            "ldm    r7!, {r4-r6}\n\t"                                                            \
            "adds   r0, r0, r4\n\t"                                                              \
            "uxtb   r1, r5\n\t"                                                                  \
            "lsrs   r2, r5, #8\n\t"                                                              \
            "uxtb   r2, r2\n\t"                                                                  \
            "lsrs   r3, r5, #16\n\t"                                                             \
            "uxtb   r3, r3\n\t"                                                                  \
            "lsrs   r4, r5, #24\n\t"                                                             \
            "movs   r5, r0\n\t"                                                                  \
            "muls   r5, r1, r5\n\t"                                                              \
            "asrs   r5, r5, #8\n\t"                                                              \
            "movs   r1, r0\n\t"                                                                  \
            "muls   r1, r2, r1\n\t"                                                              \
            "adds   r5, r5, r1\n\t"                                                              \
            "asrs   r5, r5, #8\n\t"                                                              \
            "movs   r1, r0\n\t"                                                                  \
            "muls   r1, r3, r1\n\t"                                                              \
            "adds   r5, r5, r1\n\t"                                                              \
            "asrs   r5, r5, #8\n\t"                                                              \
            "muls   r0, r4, r0\n\t"                                                              \
            "adds   r5, r5, r0\n\t"                                                              \
            "ldr    r1, [sp, #80]\n\t" /* offset */                                              \
            "adds   r6, r6, #8\n\t"                                                              \
            "lsls   r1, r1, r6\n\t"                                                              \
            "adds   r5, r5, r1\n\t"                                                              \
            "adds   r6, r6, #1\n\t"                                                              \
            "asrs   r5, r5, r6\n\t"                                                              \
            "sxtb   r1, r5\n\t"                                                                  \
            "cmp    r1, r5\n\t"                                                                  \
            "beq    5f\n\t"                                                                      \
            "asrs   r5, r5, #31\n\t"                                                             \
            "movs   r1, #127\n\t"                                                                \
            "eors   r5, r5, r1\n\t"                                                              \
            "5:\n"                                                                               \
            "ldr    r0, [sp, #68]\n\t" /* out */                                                 \
            "strb   r5, [r0]\n\t"                                                                \
            "adds   r0, r0, #1\n\t"                                                              \
            "str    r0, [sp, #68]\n\t" /* out */                                                 \
            "cmp    r8, r9\n\t"                                                                  \
            "bne    4b\n\t"                                                                      \
            "str    r7, [sp, #44]\n\t" /* table */                                               \
            "ldr    r0, [sp, #72]\n\t" /* channels */                                            \
            "cmp    r0, #0\n\t"                                                                  \
            "beq    6f\n\t"                                                                      \
            "ldr    r0, [sp, #32]\n\t" /* weights */                                             \
            "b      1b\n\t"                                                                      \
            "6:\n"                                                                               \
            "add    sp, #16\n\t" TINYC_POP_HIGH                                                  \
            "pop    {r0-r7, pc}\n\t"                                                             \
            ".purgem mac\n\t");                                                                  \
    }

#else

#define TINYC_DEFINE_DENSE_OUTPUTS(name, bits, two)                                                \
    static TINYC_SHARED void name(const uint8_t *weights, const int8_t *inputs, const int8_t *end, \
                                  const int32_t *table, int8_t *out, int32_t channels,             \
                                  int32_t excess, int32_t offset)                                  \
    {                                                                                              \
        const int32_t depth = (int32_t)(end - inputs);                                             \
        for (int32_t c = 0; c < channels; c++, table += 3) {                                       \
            int32_t sum = table[0] - excess;                                                       \
            for (int32_t k = 0; k < depth; k++) {                                                  \
                const int32_t at = bits * (4 * (c / 4 * depth + k) + c % 4);                       \
                sum += ((weights[at / 8] >> (at % 8)) & ((1 << bits) - 1)) * inputs[k];            \
            }                                                                                      \
            const int32_t y = tinyc_requant1(sum, table[1], -2 - table[2]);                        \
            *out++ = (int8_t)tinyc_clamp(y + (offset >> 1), INT8_MIN, INT8_MAX);                   \
        }                                                                                          \
    }

#endif

TINYC_DEFINE_DENSE_OUTPUTS(tinyc_dense_outputs_8, 8, TINYC_TWO_8)
TINYC_DEFINE_DENSE_OUTPUTS(tinyc_dense_outputs_4, 4, TINYC_TWO_4)
TINYC_DEFINE_DENSE_OUTPUTS(tinyc_dense_outputs_2, 2, TINYC_TWO_2)

typedef void tinyc_dense_outputs(const uint8_t *weights, const int8_t *inputs, const int8_t *end,
                                 const int32_t *table, int8_t *out, int32_t channels,
                                 int32_t excess, int32_t offset);

/* scratch: a row of inputs that is no multiple of four, with zeros up to one; bits: of a
 * weight. */
TINYC_INLINE void tinyc_dense_rows_armv6m(const int8_t *in, int8_t *out, uint8_t *scratch,
                                          const uint8_t *weights, const int32_t *table,
                                          int32_t batches, int32_t depth, int32_t channels,
                                          int32_t zero_point, int32_t bits,
                                          tinyc_dense_outputs *outputs)
{
    const int32_t missing = -depth & 3;

    for (int32_t b = 0; b < batches; b++, in += depth, out += channels) {
        const int8_t *row = in;
        int32_t sum = 0;
        if (missing != 0) {
            row = memcpy(scratch, in, (size_t)depth);
            memset(scratch + depth, 0, (size_t)missing);
        }
        for (int32_t k = 0; k < depth; k++) {
            sum += in[k];
        }
        outputs(weights, row, row + depth + missing, table, out, channels, (1 << (bits - 1)) * sum,
                1 + 2 * zero_point);
    }
}

/* By weights of so many bits. */
#define TINYC_DEFINE_DENSE_ROWS(bits)                                                       \
    static TINYC_SHARED void tinyc_dense_armv6m_##bits(                                     \
        const int8_t *in, int8_t *out, uint8_t *scratch, const uint8_t *weights,            \
        const int32_t *table, int32_t batches, int32_t depth, int32_t channels,             \
        int32_t zero_point)                                                                 \
    {                                                                                       \
        tinyc_dense_rows_armv6m(in, out, scratch, weights, table, batches, depth, channels, \
                                zero_point, bits, tinyc_dense_outputs_##bits);              \
    }

TINYC_DEFINE_DENSE_ROWS(8)
TINYC_DEFINE_DENSE_ROWS(4)
TINYC_DEFINE_DENSE_ROWS(2)

#endif
