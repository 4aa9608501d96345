/* Depthwise convolution of int16, four channels at a time, by the DSP extension.
 * weights: those of tinyc_depthwise_tile4.h. */
#ifndef TINYC_DEPTHWISE16_DSP_H
#define TINYC_DEPTHWISE16_DSP_H

#include "tinyc_depthwise_tile4.h"
#include "tinyc_dsp.h"

/* One tap of four channels: acc[i] += x[i] * w[i]. One block of assembly: compilers hoist the loads
 * of all taps and spill what they widened. */
#if TINYC_DSP

TINYC_INLINE void tinyc_tap4_s16(int32_t *acc, const int16_t *in, const int8_t *weights)
{
    uint32_t x01, x23, w02, w13;
    __asm__(
        "ldr     %[x01], %[first]\n\t"
        "ldr     %[x23], %[second]\n\t"
        "ldr     %[w02], %[quad]\n\t"
        "sxtb16  %[w13], %[w02], ror #8\n\t"
        "sxtb16  %[w02], %[w02]\n\t"
        "smlabb  %[a0], %[x01], %[w02], %[a0]\n\t"
        "smlatb  %[a1], %[x01], %[w13], %[a1]\n\t"
        "smlabt  %[a2], %[x23], %[w02], %[a2]\n\t"
        "smlatt  %[a3], %[x23], %[w13], %[a3]"
        : [x01] "=&r"(x01), [x23] "=&r"(x23), [w02] "=&r"(w02), [w13] "=&r"(w13),
          [a0] "+&r"(acc[0]), [a1] "+&r"(acc[1]), [a2] "+&r"(acc[2]), [a3] "+&r"(acc[3])
        : [first] "m"(*(const uint32_t *)(const void *)in),
          [second] "m"(*(const uint32_t *)(const void *)(in + 2)),
          [quad] "m"(*(const uint32_t *)(const void *)weights));
}

#else

TINYC_INLINE void tinyc_tap4_s16(int32_t *acc, const int16_t *in, const int8_t *weights)
{
    for (int i = 0; i < 4; i++) {
        acc[i] += in[i] * weights[i];
    }
}

#endif

/* tinyc_depthwise_sum4 of int16. Where the window lies in the image, filters of up to 25 taps are
 * written out; of larger ones, the code would outgrow its gain. */
TINYC_INLINE void tinyc_depthwise_sum4_dsp(int32_t *acc, const void *in, int32_t c,
                                           const int8_t *filter, const struct tinyc_window *w,
                                           const struct tinyc_taps *ys, const struct tinyc_taps *xs,
                                           int32_t input_zero, const struct tinyc_integers *how)
{
    const int32_t right = w->dilation.w * w->in.c;
    const int32_t down = w->dilation.h * w->in.w * w->in.c;
    const int32_t start = (ys->start * w->in.w + xs->start) * w->in.c + c;
    const int16_t *const x = in;
    const int inside =
        ys->first == 0 && xs->first == 0 && ys->end == w->kernel.h && xs->end == w->kernel.w;

    /* Of its own, which the taps leave in registers. */
    int32_t sums[4] = {acc[0], acc[1], acc[2], acc[3]};

    (void)input_zero;
    (void)how;
    if (w->kernel.h * w->kernel.w <= 25 && inside) {
        const int16_t *const window = x + start;
        TINYC_UNROLL(25)
        for (int32_t ky = 0; ky < w->kernel.h; ky++) {
            TINYC_UNROLL(25)
            for (int32_t kx = 0; kx < w->kernel.w; kx++) {
                const int32_t tap = ky * w->kernel.w + kx;
                tinyc_tap4_s16(sums, window + ky * down + kx * right, filter + 4 * tap);
            }
        }
    } else {
        for (int32_t ky = ys->first; ky < ys->end; ky++) {
            for (int32_t kx = xs->first; kx < xs->end; kx++) {
                const int32_t tap = ky * w->kernel.w + kx;
                tinyc_tap4_s16(sums, x + (start + ky * down + kx * right), filter + 4 * tap);
            }
        }
    }
    memcpy(acc, sums, sizeof sums);
}

TINYC_INLINE void tinyc_depthwise_s16_dsp(const void *in, void *out, const int8_t *weights,
                                          const void *table, const struct tinyc_window *w,
                                          const struct tinyc_integers *how, int32_t input_zero,
                                          const struct tinyc_outputs *outputs)
{
    tinyc_depthwise4(in, out, weights, table, w, how, input_zero, outputs,
                     tinyc_depthwise_sum4_dsp);
}

#endif
