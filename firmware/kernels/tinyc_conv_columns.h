/* Convolution of four pixels with all channels, from widened columns.
 *
 * columns: for each quad of inputs k0..k3 two rows of four words, one word for each pixel:
 *          first (k0, k2), then (k1, k3), as int16 pairs (what SXTB16 leaves of four bytes).
 * weights: for each pair of channels, for each of those rows, one word of four bytes
 *          c0a c1a c0b c1b, where (a, b) is the row's pair of inputs.
 * table:   bias, multiplier and right shift less one of each channel.
 * One row is 16 multiply-accumulates: 5 loads, 2 SXTB16, 8 SMLAD. */

#if TINYC_DSP

/* acc[0..3] and acc[4..7]: channels 0 and 1 of four pixels; table: two channels;
 * the weights' length up to `end` is a multiple of four words. */
__attribute__((naked, noinline)) static void
tinyc_mac_2x4(__attribute__((unused)) const int8_t *weights,
              __attribute__((unused)) const int16_t *columns,
              __attribute__((unused)) const int32_t *table,
              __attribute__((unused)) int32_t *acc,
              __attribute__((unused)) const int8_t *end)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r3-r11, lr}\n\t"
        "ldr    r4, [r2]\n\t"
        "ldr    r8, [r2, #12]\n\t"
        "mov    r5, r4\n\t"
        "mov    r6, r4\n\t"
        "mov    r7, r4\n\t"
        "mov    r9, r8\n\t"
        "mov    r10, r8\n\t"
        "mov    r11, r8\n"
        "1:\n\t"
        ".rept 4\n\t"
        "ldr    r3, [r0], #4\n\t"
        "ldr    r12, [r1], #4\n\t"
        "ldr    lr, [r1], #4\n\t"
        "sxtb16 r2, r3\n\t"
        "sxtb16 r3, r3, ror #8\n\t"
        "smlad  r4, r2, r12, r4\n\t"
        "smlad  r8, r3, r12, r8\n\t"
        "smlad  r5, r2, lr, r5\n\t"
        "smlad  r9, r3, lr, r9\n\t"
        "ldr    r12, [r1], #4\n\t"
        "ldr    lr, [r1], #4\n\t"
        "smlad  r6, r2, r12, r6\n\t"
        "smlad  r10, r3, r12, r10\n\t"
        "smlad  r7, r2, lr, r7\n\t"
        "smlad  r11, r3, lr, r11\n\t"
        ".endr\n\t"
        "ldr    r2, [sp, #40]\n\t"
        "cmp    r0, r2\n\t"
        "bne    1b\n\t"
        "pop    {r3}\n\t"
        "stmia  r3!, {r4-r11}\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

static void tinyc_mac_2x4(const int8_t *weights, const int16_t *columns, const int32_t *table,
                          int32_t *acc, const int8_t *end)
{
    for (int i = 0; i < 4; i++) {
        acc[i] = table[0];
        acc[4 + i] = table[3];
    }
    for (; weights != end; weights += 4, columns += 8) {
        for (int i = 0; i < 4; i++) {
            const int32_t a = columns[2 * i];
            const int32_t b = columns[2 * i + 1];
            acc[i] += weights[0] * a + weights[2] * b;
            acc[4 + i] += weights[1] * a + weights[3] * b;
        }
    }
}

#endif

/* Widen `count` bytes (a multiple of four) of one pixel into its place in the columns;
 * returns where the next bytes of this pixel belong. */
TINYC_INLINE uint32_t *tinyc_widen(const int8_t *from, uint32_t *to, int32_t count)
{
    for (; count > 0; count -= 4, from += 4, to += 8) {
        const uint32_t quad = tinyc_load4(from);
        to[0] = tinyc_sxtb16(quad);
        to[4] = tinyc_sxtb16_ror8(quad);
    }
    return to;
}

/* The same for a place outside of the image, where every input is `pair`'s halfword. */
TINYC_INLINE uint32_t *tinyc_widen_padding(uint32_t pair, uint32_t *to, int32_t count)
{
    for (; count > 0; count -= 4, to += 8) {
        to[0] = pair;
        to[4] = pair;
    }
    return to;
}

/* out: `pixels` (1 to 4) rows of `channels` bytes; depth: inputs of a pixel, a multiple of 8. */
TINYC_SHARED static void tinyc_conv_columns(const int8_t *weights, const int16_t *columns,
                                            const int32_t *table, int8_t *out, int32_t pixels,
                                            int32_t channels, int32_t depth, int32_t zero_point,
                                            int32_t low, int32_t high)
{
    const int32_t half = 1 + 2 * zero_point;

    for (int32_t c = 0; c < channels; c += 2) {
        int32_t acc[8];
        const int8_t *const end = weights + 2 * depth;
        tinyc_mac_2x4(weights, columns, table, acc, end);
        weights = end;
        for (int32_t k = 0; k < 2 && c + k < channels; k++) {
            const int32_t *const a = acc + 4 * k;
            const int32_t multiplier = table[3 * k + 1];
            const int32_t shift = table[3 * k + 2];
            int8_t *to = out + c + k;
            for (int32_t p = 0; p < pixels; p++, to += channels) {
                *to = tinyc_clamp_s8(tinyc_requant2_dsp(a[p], multiplier, shift, half), low, high);
            }
        }
        table += 6;
    }
}
