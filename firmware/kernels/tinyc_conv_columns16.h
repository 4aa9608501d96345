/* Convolution of four pixels with two channels at a time, from columns of int16 inputs.
 *
 * columns: for each pair of inputs one row of four words, one word for each pixel.
 * weights: for each pair of channels, for each of those rows, one word of four bytes
 *          c0a c1a c0b c1b, where (a, b) is the row's pair of inputs.
 * Sums that 32 bits hold are tinyc_mac_2x4's. */

/* Copy `count` inputs (an even number) of one pixel into its place in the columns; returns where
 * its next inputs belong. */
TINYC_INLINE uint32_t *tinyc_spread16(const int16_t *from, uint32_t *to, int32_t count)
{
    for (; count > 0; count -= 2, from += 2, to += 4) {
        memcpy(to, from, 4);
    }
    return to;
}

/* The same for a place outside of the image. */
TINYC_INLINE uint32_t *tinyc_spread16_padding(uint32_t *to, int32_t count)
{
    for (; count > 0; count -= 2, to += 4) {
        *to = 0;
    }
    return to;
}

#if TINYC_DSP

/* acc[0..1] and acc[2..3]: channels 0 and 1 of two pixels, whose columns begin at `columns`, in 64
 * bits; the weights' length up to `end` is a multiple of four words. */
__attribute__((naked, noinline, unused)) static void
tinyc_mac_2x2_wide(__attribute__((unused)) const int8_t *weights,
                   __attribute__((unused)) const int16_t *columns,
                   __attribute__((unused)) int64_t *acc,
                   __attribute__((unused)) const int8_t *end)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r2-r11, lr}\n\t"
        "movs   r4, #0\n\t"
        "mov    r5, r4\n\t"
        "mov    r6, r4\n\t"
        "mov    r7, r4\n\t"
        "mov    r8, r4\n\t"
        "mov    r9, r4\n\t"
        "mov    r10, r4\n\t"
        "mov    r11, r4\n"
        "1:\n\t"
        ".rept 4\n\t"
        "ldr    r3, [r0], #4\n\t"
        "ldr    lr, [r1, #4]\n\t"
        "ldr    r12, [r1], #16\n\t"
        "sxtb16 r2, r3\n\t"
        "sxtb16 r3, r3, ror #8\n\t"
        "smlald r4, r5, r2, r12\n\t"
        "smlald r6, r7, r2, lr\n\t"
        "smlald r8, r9, r3, r12\n\t"
        "smlald r10, r11, r3, lr\n\t"
        ".endr\n\t"
        "ldr    r2, [sp, #4]\n\t"
        "cmp    r0, r2\n\t"
        "bne    1b\n\t"
        "pop    {r2, r3}\n\t"
        "stmia  r2!, {r4-r11}\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

static TINYC_SHARED void tinyc_mac_2x2_wide(const int8_t *weights, const int16_t *columns,
                                            int64_t *acc, const int8_t *end)
{
    memset(acc, 0, 4 * sizeof *acc);
    for (; weights != end; weights += 4, columns += 8) {
        for (int i = 0; i < 2; i++) {
            const int32_t a = columns[2 * i];
            const int32_t b = columns[2 * i + 1];
            acc[i] += weights[0] * a + weights[2] * b;
            acc[2 + i] += weights[1] * a + weights[3] * b;
        }
    }
}

#endif

/* Sums of two channels of four pixels, sums[4 * channel + pixel], where 32 bits hold them. */
TINYC_INLINE void tinyc_columns16(const int8_t *weights, const uint32_t *columns, int32_t *sums,
                                  int32_t depth)
{
    static const int32_t zeros[4] = {0, 0, 0, 0};
    tinyc_mac_2x4(weights, (const int16_t *)(const void *)columns, zeros, sums,
                  weights + 2 * depth);
}

/* The same in 64 bits. */
TINYC_INLINE void tinyc_columns16_wide(const int8_t *weights, const uint32_t *columns,
                                       int64_t *sums, int32_t depth)
{
    for (int32_t p = 0; p < 4; p += 2) {
        int64_t acc[4];
        tinyc_mac_2x2_wide(weights, (const int16_t *)(const void *)(columns + p), acc,
                           weights + 2 * depth);
        sums[p] = acc[0];
        sums[p + 1] = acc[1];
        sums[4 + p] = acc[2];
        sums[5 + p] = acc[3];
    }
}
