/* Eight pixels of a layer of tinyc_sparse.h by long products, which cores with the DSP extension
 * make in a cycle.
 *
 * columns: words x0 + 2^23 * x1;
 * table: two words of each channel: the bias times 2^8 and the right shift, and the multiplier.
 *
 * SMLAL of such a word adds up A + 2^23 * B of two pixels in 64 bits, which are apart as long as A
 * is of 23 bits: sums begin at 2^22, so that nothing is borrowed from B. They are rounded twice,
 * halves away from zero, see tinyc_halves.h. */
#ifndef TINYC_SPARSE_DSP_H
#define TINYC_SPARSE_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_sparse.h"

TINYC_DEFINE_SPARSE_PUT(tinyc_sparse_put_long, 0, 23)

/* Entries that the code has one after another, a power of two; its bytes of one. */
#if TINYC_SMALL
#define TINYC_SPARSE_ENTRIES 2
#else
#define TINYC_SPARSE_ENTRIES 16
#endif
#define TINYC_SPARSE_ENTRY_BYTES 44

#if TINYC_DSP

/* r0: entries, from a weight on; r1: the column of the entry before; r3: by how many inputs this
 * one's lies behind it; r4 to r11: sums. Eight multiply-accumulates an entry. Loads that follow
 * each other take half the time.
 *
 * tinyc_outputs: of the sums of two pixels; r0: the channel's word of bias and shift, of which a
 * shift by a register takes the lowest byte; r1: its multiplier; r2: half, shifted up; r3: twice
 * the bias; lr: that less 2^23. Twice the sum makes its rounded high product.
 *
 * All of it in opcodes of 32 bits, so that none lies across two lines of a flash. The stack: where
 * the entries of the channel end, columns, table, its end; from 52 on the
 * arguments from `half` on. */
__attribute__((naked, noinline, unused)) static void tinyc_sparse_long(
    __attribute__((unused)) const uint16_t *entries,
    __attribute__((unused)) const uint32_t *columns, __attribute__((unused)) const int32_t *table,
    __attribute__((unused)) const int32_t *table_end, __attribute__((unused)) int32_t half,
    __attribute__((unused)) int8_t *out, __attribute__((unused)) int32_t step)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro tinyc_outputs a, b\n\t"
        "lsr    r12, \\a, #23\n\t"
        "ubfx   \\a, \\a, #0, #23\n\t"
        "orr    \\b, r12, \\b, lsl #9\n\t"
        "add    \\a, lr, \\a, lsl #1\n\t"
        "add    \\b, r3, \\b, lsl #1\n\t"
        "add    r12, r2, \\a, asr #31\n\t"
        "smmlar \\a, \\a, r1, r12\n\t"
        "add    r12, r2, \\b, asr #31\n\t"
        "smmlar \\b, \\b, r1, r12\n\t"
        "asr    \\a, \\a, r0\n\t"
        "asr    \\b, \\b, r0\n\t"
        "ssat   \\a, #8, \\a, asr #1\n\t"
        "ssat   \\b, #8, \\b, asr #1\n\t"
        ".endm\n\t"
        "push   {r0-r11, lr}\n\t"
        "b.w    2f\n\t"
        ".balign 4\n"
        "1:\n\t"
        ".rept " TINYC_TEXT(TINYC_SPARSE_ENTRIES) "\n\t"
        "add.w  r1, r1, r3, lsl #4\n\t"
        "ldrsb  lr, [r0], #1\n\t"
        "ldr.w  r2, [r1]\n\t"
        "ldr.w  r3, [r1, #4]\n\t"
        "ldr.w  r12, [r1, #8]\n\t"
        "smlal  r4, r5, r2, lr\n\t"
        "smlal  r6, r7, r3, lr\n\t"
        "ldr.w  r2, [r1, #12]\n\t"
        "ldrb   r3, [r0], #1\n\t"
        "smlal  r8, r9, r12, lr\n\t"
        "smlal  r10, r11, r2, lr\n\t"
        ".endr\n\t"
        "ldr.w  r2, [sp]\n\t"
        "cmp.w  r0, r2\n\t"
        "bne.w  1b\n\t"
        "ldr.w  r12, [sp, #8]\n\t"
        "ldr.w  r2, [sp, #52]\n\t"
        "ldr.w  r1, [r12, #4]\n\t"
        "ldr.w  r0, [r12], #8\n\t"
        "str.w  r12, [sp, #8]\n\t"
        "lsl    r2, r2, r0\n\t"
        "asr    r3, r0, #7\n\t"
        "sub    lr, r3, #0x800000\n\t"
        "tinyc_outputs r4, r5\n\t"
        "tinyc_outputs r6, r7\n\t"
        "tinyc_outputs r8, r9\n\t"
        "tinyc_outputs r10, r11\n\t"
        "ldr.w  r1, [sp, #56]\n\t"
        "ldr.w  r2, [sp, #60]\n\t"
        "add.w  r3, r1, #1\n\t"
        "str.w  r3, [sp, #56]\n\t"
        ".irp   output, r4, r5, r6, r7, r8, r9, r10\n\t"
        "strb.w \\output, [r1]\n\t"
        "add.w  r1, r1, r2\n\t"
        ".endr\n\t"
        "strb.w r11, [r1]\n\t"
        "ldr.w  r0, [sp]\n\t"
        "ldr.w  r2, [sp, #8]\n\t"
        "ldr.w  r3, [sp, #12]\n\t"
        "sub    r0, r0, #1\n\t"
        "cmp.w  r2, r3\n\t"
        "beq.w  3f\n"
        "2:\n\t"
        "ldrh.w r2, [r0], #2\n\t"
        "ldr.w  r1, [sp, #4]\n\t"
        "ldrb   r3, [r0], #1\n\t"
        "add.w  r4, r0, r2, lsl #1\n\t"
        "str.w  r4, [sp]\n\t"
        "rsb    r2, r2, #0\n\t"
        "and    r2, r2, #" TINYC_TEXT(TINYC_SPARSE_ENTRIES) " - 1\n\t"
        "mov    r12, #" TINYC_TEXT(TINYC_SPARSE_ENTRY_BYTES) "\n\t"
        "adr.w  lr, 1b\n\t"
        "mla    r2, r2, r12, lr\n\t"
        "orr    r2, r2, #1\n\t"
        ".irp   sum, r4, r6, r8, r10\n\t"
        "mov    \\sum, #0x400000\n\t"
        ".endr\n\t"
        ".irp   sum, r5, r7, r9, r11\n\t"
        "mov    \\sum, #0\n\t"
        ".endr\n\t"
        "bx     r2\n"
        "3:\n\t"
        "add    sp, sp, #16\n\t"
        "pop    {r4-r11, pc}\n\t"
        ".purgem tinyc_outputs\n\t");
}

#else

TINYC_INLINE int8_t tinyc_sparse_long_output(int32_t sum, const int32_t *channel, int32_t half)
{
    const int32_t twice = 2 * (sum + (channel[0] >> 8)), shift = channel[0] & 0xff;
    const int32_t up = half * (1 << shift) + (twice >> 31);
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmlar(twice, channel[1], up) >> shift);
}

static TINYC_SHARED void tinyc_sparse_long(const uint16_t *entries, const uint32_t *columns,
                                           const int32_t *table, const int32_t *table_end,
                                           int32_t half, int8_t *out, int32_t step)
{
    for (; table != table_end; table += 2, out++) {
        const uint16_t *const end = entries + 1 + *entries;
        for (int32_t p = 0; p < TINYC_SPARSE_PIXELS; p += 2) {
            const uint32_t *column = columns + p / 2;
            uint64_t sums = 1U << 22;
            for (const uint16_t *entry = entries + 1; entry != end; entry++) {
                column += TINYC_SPARSE_PIXELS / 2 * (*entry & 0xff);
                sums += (uint64_t)((int64_t)(int32_t)*column * (int8_t)(*entry >> 8));
            }
            const int32_t first = (int32_t)(sums & 0x7fffffU) - (1 << 22);
            const int32_t second = (int32_t)(uint32_t)(sums >> 23);
            out[p * step] = tinyc_sparse_long_output(first, table, half);
            out[(p + 1) * step] = tinyc_sparse_long_output(second, table, half);
        }
        entries = end;
    }
}

#endif

#endif
