/* Convolution of four pixels of int16 with two channels at a time. */
#ifndef TINYC_CONV2D_S16_DSP_H
#define TINYC_CONV2D_S16_DSP_H

#include "tinyc_columns.h"
#include "tinyc_integers16.h"
#include "tinyc_mac.h"

#if TINYC_DSP

/* acc[0..1] and acc[2..3]: channels 0 and 1 of two pixels, whose columns begin at `columns`, in 64
 * bits; the weights' length up to `end` is a multiple of four words. */
__attribute__((naked, noinline, unused)) static void tinyc_mac_2x2_wide(
    __attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int16_t *columns,
    __attribute__((unused)) int64_t *acc, __attribute__((unused)) const int8_t *end)
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

/* The same of four pixels, acc[0..3] and acc[4..7]. */
TINYC_INLINE void tinyc_mac_2x4_wide(const int8_t *weights, const int16_t *columns, int64_t *acc,
                                     const int8_t *end)
{
    for (int p = 0; p < 4; p += 2) {
        int64_t pixels[4];
        tinyc_mac_2x2_wide(weights, columns + 2 * p, pixels, end);
        acc[p] = pixels[0];
        acc[p + 1] = pixels[1];
        acc[4 + p] = pixels[2];
        acc[5 + p] = pixels[3];
    }
}

/* narrow: whether 32 bits hold the sums; table: what tinyc_output16 reads of each channel. */
TINYC_INLINE void tinyc_conv2d_s16_dsp(const int16_t *in, int16_t *out, uint8_t *scratch,
                                       const int8_t *weights, const int32_t *table,
                                       const struct tinyc_window *w, int32_t narrow,
                                       enum tinyc_scaling16 scaling, int32_t low, int32_t high)
{
    static const int32_t zeros[4] = {0, 0, 0, 0};
    const int16_t *const columns = (const int16_t *)(const void *)scratch;
    const int32_t pixels = w->out.h * w->out.w;
    const int32_t depth = tinyc_columns_depth(w, 4);

    for (int32_t n = 0; n < w->in.n; n++) {
        const int16_t *const image = in + n * (w->in.h * w->in.w * w->in.c);
        for (int32_t first = 0; first < pixels; first += 4) {
            const int32_t count = first + 4 <= pixels ? 4 : pixels - first;
            const int8_t *pair = weights;
            const int32_t *channel = table;
            tinyc_columns(scratch, image, 2, 4, first, count, w, 0);
            for (int32_t c = 0; c < w->out.c; c += 2, pair += 2 * depth) {
                int32_t acc[8];
                int64_t wide[8];
                if (narrow) {
                    tinyc_mac_2x4(pair, columns, zeros, acc, pair + 2 * depth);
                } else {
                    tinyc_mac_2x4_wide(pair, columns, wide, pair + 2 * depth);
                }
                for (int32_t k = 0; k < 2 && c + k < w->out.c; k++) {
                    int16_t *to = out + first * w->out.c + c + k;
                    for (int32_t p = 0; p < count; p++, to += w->out.c) {
                        const int64_t sum = narrow ? acc[4 * k + p] : wide[4 * k + p];
                        *to = tinyc_output16(sum, channel, scaling, low, high);
                    }
                    channel += tinyc_words16(scaling);
                }
            }
        }
        out += pixels * w->out.c;
    }
}

#endif
