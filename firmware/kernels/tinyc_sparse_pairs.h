/* Sums of eight pixels over the entries of tinyc_sparse.h on cores without SIMD: two pixels in one
 * register.
 *
 * columns: words x0 + 129 + 65536 * x1, so that one multiplication by a weight, which is t, makes
 * two products: both += t; upper += t >> 16, see tinyc_pairs_thumb2.h; table: three words of each
 * channel: the bias of a word's first pixel, less 129 for each weight; the multiplier; and the sum
 * of the weights times 2^16, how many are negative times 2^5, and the right shift. */
#ifndef TINYC_SPARSE_PAIRS_H
#define TINYC_SPARSE_PAIRS_H

#include "tinyc_registers_armv6m.h"
#include "tinyc_sparse.h"
#include "tinyc_store_thumb2.h"

TINYC_DEFINE_SPARSE_PUT(tinyc_sparse_put_pairs, 129, 16)

/* Entries that the code has one after another, a power of two; its bytes of one. */
#if TINYC_SMALL
#define TINYC_SPARSE_PAIR_ENTRIES 1
#else
#define TINYC_SPARSE_PAIR_ENTRIES 8
#endif
#define TINYC_SPARSE_PAIR_BYTES 76

#if TINYC_THUMB2

/* r0: entries, from a weight on; r1: the column of the entry before; r3: by how many inputs this
 * one's lies behind it; r4 to r11: `both` and `upper` of four words, the latter from the count of
 * negative weights on. Loads that follow each other take half the time.
 *
 * The stack: where the entries of the channel end, columns, table, its end; from 52 on the
 * arguments from `half` on. */
__attribute__((naked, noinline, unused)) static void tinyc_sparse_pairs(
    __attribute__((unused)) const uint16_t *entries,
    __attribute__((unused)) const uint32_t *columns, __attribute__((unused)) const int32_t *table,
    __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,
    __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t step)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro tinyc_two word, both, upper\n\t"
        "mul    \\word, lr, \\word\n\t"
        "add.w  \\both, \\both, \\word\n\t"
        "add    \\upper, \\upper, \\word, asr #16\n\t"
        ".endm\n\t"
        "push   {r0-r11, lr}\n\t"
        "b.w    2f\n\t"
        ".balign 4\n"
        "1:\n\t"
        ".rept " TINYC_TEXT(TINYC_SPARSE_PAIR_ENTRIES) "\n\t"
        "add.w  r1, r1, r3, lsl #4\n\t"
        "ldrsb  lr, [r0], #1\n\t"
        "ldr.w  r2, [r1]\n\t"
        "ldr.w  r3, [r1, #4]\n\t"
        "ldr.w  r12, [r1, #8]\n\t"
        "tinyc_two r2, r4, r5\n\t"
        "tinyc_two r3, r6, r7\n\t"
        "ldr.w  r2, [r1, #12]\n\t"
        "ldrb   r3, [r0], #1\n\t"
        "tinyc_two r12, r8, r9\n\t"
        "tinyc_two r2, r10, r11\n\t"
        ".endr\n\t"
        "ldr    r2, [sp]\n\t"
        "cmp    r0, r2\n\t"
        "bne.w  1b\n\t"
        "ldr    r12, [sp, #8]\n\t"
        "ldr    lr, [r12, #8]\n\t"
        "ldr    r1, [r12, #4]\n\t"
        "ldr    r0, [r12], #12\n\t"
        "str    r12, [sp, #8]\n\t"
        "asr    r2, lr, #16\n\t"
        "add    r2, r2, r2, lsl #7\n\t"
        "add    r2, r2, r0\n\t"
        "sub    r4, r4, r5, lsl #16\n\t"
        "sub    r6, r6, r7, lsl #16\n\t"
        "sub    r8, r8, r9, lsl #16\n\t"
        "sub    r10, r10, r11, lsl #16\n\t"
        ".irp   sum, r4, r6, r8, r10\n\t"
        "add    \\sum, \\sum, r0\n\t"
        ".endr\n\t"
        ".irp   sum, r5, r7, r9, r11\n\t"
        "add    \\sum, \\sum, r2\n\t"
        ".endr\n\t"
        "and    r0, lr, #0x1f\n\t"
        "ldr    r2, [sp, #52]\n\t"
        "ldr    lr, [sp, #56]\n\t"
        "ldr    r3, [sp, #60]\n\t"
        "asr    r2, r2, #1\n\t"
        "add    r12, lr, #1\n\t"
        "str    r12, [sp, #56]\n\t"
        ".irp   sum, r4, r5, r6, r7, r8, r9, r10, r11\n\t" /* and on to the next pixel */
        TINYC_STORE_AWAY("\\sum", "r12", "r1", "r0", "r2", "lr")
        "add    lr, r3\n\t"
        ".endr\n\t"
        "ldr    r0, [sp]\n\t"
        "ldr    r2, [sp, #8]\n\t"
        "ldr    r3, [sp, #12]\n\t"
        "sub    r0, r0, #1\n\t"
        "cmp    r2, r3\n\t"
        "beq    3f\n"
        "2:\n\t"
        "ldr    r4, [sp, #8]\n\t"
        "ldr    r1, [sp, #4]\n\t"
        "ldrh   r2, [r0], #2\n\t"
        "ldrb   r3, [r0], #1\n\t"
        "ldr    r5, [r4, #8]\n\t"
        "add    r4, r0, r2, lsl #1\n\t"
        "str    r4, [sp]\n\t"
        "rsb    r2, r2, #0\n\t"
        "and    r2, r2, #" TINYC_TEXT(TINYC_SPARSE_PAIR_ENTRIES) " - 1\n\t"
        "mov    r12, #" TINYC_TEXT(TINYC_SPARSE_PAIR_BYTES) "\n\t"
        "adr.w  lr, 1b\n\t"
        "mla    r2, r2, r12, lr\n\t"
        "orr    r2, r2, #1\n\t"
        ".irp   sum, r4, r6, r8, r10\n\t"
        "mov    \\sum, #0\n\t"
        ".endr\n\t"
        "ubfx   r5, r5, #5, #11\n\t"
        ".irp   sum, r7, r9, r11\n\t"
        "mov    \\sum, r5\n\t"
        ".endr\n\t"
        "bx     r2\n"
        "3:\n\t"
        "add    sp, sp, #16\n\t"
        "pop    {r4-r11, pc}\n\t"
        ".purgem tinyc_two\n\t");
}

#else

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* `both` and `upper` of the four words of a column into `sums`, over the entries of a channel. r0:
 * entries, up to r12; r1: the last one's column; r2: an entry, its weight; r4 to r11: sums. */
__attribute__((naked, noinline, unused)) static void tinyc_sparse_sums(
    __attribute__((unused)) const uint16_t *entries,
    __attribute__((unused)) const uint32_t *columns, __attribute__((unused)) uint32_t *sums,
    __attribute__((unused)) int32_t count)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro tinyc_two at, both, upper\n\t"
        "ldr    r3, [r1, #\\at]\n\t"
        "muls   r3, r2, r3\n\t"
        "add    \\both, \\both, r3\n\t"
        "asrs   r3, r3, #16\n\t"
        "add    \\upper, \\upper, r3\n\t"
        ".endm\n\t"
        "push   {r2, r4-r7, lr}\n\t" TINYC_HIGH_TO_LOW
        "push   {r4-r7}\n\t"
        "lsls   r3, r3, #1\n\t"
        "adds   r3, r3, r0\n\t"
        "mov    r12, r3\n\t"
        "movs   r4, #0\n\t"
        ".irp   sum, r5, r6, r7, r8, r9, r10, r11\n\t"
        "mov    \\sum, r4\n\t"
        ".endr\n"
        "1:\n\t"
        "ldrh   r2, [r0]\n\t"
        "adds   r0, #2\n\t"
        "uxtb   r3, r2\n\t"
        "lsls   r3, r3, #4\n\t"
        "adds   r1, r1, r3\n\t"
        "sxth   r2, r2\n\t"
        "asrs   r2, r2, #8\n\t"
        "tinyc_two 0, r4, r8\n\t"
        "tinyc_two 4, r5, r9\n\t"
        "tinyc_two 8, r6, r10\n\t"
        "tinyc_two 12, r7, r11\n\t"
        "cmp    r0, r12\n\t"
        "bne    1b\n\t"
        "ldr    r0, [sp, #16]\n\t"
        "mov    r1, r8\n\t"
        "stm    r0!, {r4}\n\t"
        "stm    r0!, {r1}\n\t"
        "mov    r1, r9\n\t"
        "stm    r0!, {r5}\n\t"
        "stm    r0!, {r1}\n\t"
        "mov    r1, r10\n\t"
        "stm    r0!, {r6}\n\t"
        "stm    r0!, {r1}\n\t"
        "mov    r1, r11\n\t"
        "stm    r0!, {r7}\n\t"
        "stm    r0!, {r1}\n\t" TINYC_POP_HIGH
        "pop    {r2, r4-r7, pc}\n\t"
        ".purgem tinyc_two\n\t");
}

#else

static TINYC_SHARED void tinyc_sparse_sums(const uint16_t *entries, const uint32_t *columns,
                                           uint32_t *sums, int32_t count)
{
    memset(sums, 0, TINYC_SPARSE_PIXELS * sizeof *sums);
    for (int32_t i = 0; i < count; i++) {
        columns += TINYC_SPARSE_PIXELS / 2 * (entries[i] & 0xff);
        for (int32_t p = 0; p < TINYC_SPARSE_PIXELS / 2; p++) {
            const uint32_t t = (uint32_t)(int8_t)(entries[i] >> 8) * columns[p];
            sums[2 * p] += t;
            sums[2 * p + 1] += (uint32_t)((int32_t)t >> 16);
        }
    }
}

#endif

/* A sum under 2^30 by a right shift, rounded twice, halves away from zero. */
TINYC_INLINE int8_t tinyc_sparse_pairs_output(uint32_t sum, int32_t multiplier, int32_t right,
                                              int32_t zero_point)
{
    const int32_t high = tinyc_high_product((int32_t)sum, multiplier);
    return (int8_t)tinyc_clamp(tinyc_round_right(high, right) + zero_point, INT8_MIN, INT8_MAX);
}

static TINYC_SHARED void tinyc_sparse_pairs(const uint16_t *entries, const uint32_t *columns,
                                            const int32_t *table, const int32_t *table_end,
                                            int32_t half, int8_t *out, int32_t step)
{
    uint32_t sums[TINYC_SPARSE_PIXELS];

    for (; table != table_end; table += 3, out++) {
        const uint32_t negative = (uint32_t)table[2] >> 5 & 0x7ffU;
        const uint32_t bias = (uint32_t)table[0], more = 129U * (uint32_t)(table[2] >> 16) + bias;
        const int32_t multiplier = table[1], right = table[2] & 0x1f;
        int8_t *to = out;
        tinyc_sparse_sums(entries + 1, columns, sums, *entries);
        entries += 1 + *entries;
        for (int32_t p = 0; p < TINYC_SPARSE_PIXELS; p += 2) {
            const uint32_t upper = sums[p + 1] + negative;
            const uint32_t lower = sums[p] - (upper << 16);
            *to = tinyc_sparse_pairs_output(lower + bias, multiplier, right, half >> 1);
            to += step;
            *to = tinyc_sparse_pairs_output(upper + more, multiplier, right, half >> 1);
            to += step;
        }
    }
}

#endif

#endif
