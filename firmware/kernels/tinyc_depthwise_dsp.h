/* Depthwise convolution of four channels at a time, by the DSP extension. */
#ifndef TINYC_DEPTHWISE_DSP_H
#define TINYC_DEPTHWISE_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_window.h"

/* One tap of four channels: acc[i] += (x[i] + offset) * w[i];
 * returns the next tap's weights. One block of assembly: compilers hoist the loads of all taps
 * and spill what they widened. The inputs are an operand in memory, as the distance between taps
 * is known and costs nothing in the load. */
#if TINYC_DSP

TINYC_INLINE const int8_t *tinyc_tap4(int32_t *acc, const int8_t *in, const int8_t *weights,
                                      uint32_t offset)
{
    uint32_t x, w, x02, w02;
    __asm__ volatile(
        ".balign 4\n\t" /* so that no opcode lies across two lines of flash */
        "ldr.w   %[x], %[in]\n\t"
        "ldr     %[w], [%[weights]], #4\n\t"
        "sxtab16 %[x02], %[offset], %[x]\n\t"
        "sxtb16  %[w02], %[w]\n\t"
        "sxtab16 %[x], %[offset], %[x], ror #8\n\t"
        "sxtb16  %[w], %[w], ror #8\n\t"
        "smlabb  %[a0], %[x02], %[w02], %[a0]\n\t"
        "smlatt  %[a2], %[x02], %[w02], %[a2]\n\t"
        "smlabb  %[a1], %[x], %[w], %[a1]\n\t"
        "smlatt  %[a3], %[x], %[w], %[a3]"
        : [x] "=&r"(x), [w] "=&r"(w), [x02] "=&r"(x02), [w02] "=&r"(w02), [weights] "+&r"(weights),
          [a0] "+&r"(acc[0]), [a1] "+&r"(acc[1]), [a2] "+&r"(acc[2]), [a3] "+&r"(acc[3])
        : [in] "m"(*(const uint32_t *)(const void *)in), [offset] "r"(offset)
        : "memory");
    return weights;
}

/* The biases of four channels. One block as well: loads that follow each other take half the
 * time. */
TINYC_INLINE void tinyc_biases4(int32_t *acc, const int32_t *table)
{
    __asm__ volatile(
        "ldr     %[a0], [%[table]]\n\t"
        "ldr     %[a1], [%[table], #12]\n\t"
        "ldr     %[a2], [%[table], #24]\n\t"
        "ldr     %[a3], [%[table], #36]"
        : [a0] "=&r"(acc[0]), [a1] "=&r"(acc[1]), [a2] "=&r"(acc[2]), [a3] "=&r"(acc[3])
        : [table] "r"(table)
        : "memory");
}

#else

TINYC_INLINE void tinyc_biases4(int32_t *acc, const int32_t *table)
{
    for (int i = 0; i < 4; i++) {
        acc[i] = table[3 * i];
    }
}

TINYC_INLINE const int8_t *tinyc_tap4(int32_t *acc, const int8_t *in, const int8_t *weights,
                                      uint32_t offset)
{
    for (int i = 0; i < 4; i++) {
        acc[i] += (in[i] + tinyc_low(offset)) * weights[i];
    }
    return weights + 4;
}

#endif

/* Finish four channels of `table`. Written out: a loop would keep the accumulators in memory. */
TINYC_INLINE void tinyc_store4(const int32_t *acc, const int32_t *table, int8_t *out,
                               int32_t zero_point, int32_t low, int32_t high,
                               tinyc_finish_s8 *finish)
{
    out[0] = finish(acc[0], table[1], table[2], zero_point, low, high);
    out[1] = finish(acc[1], table[4], table[5], zero_point, low, high);
    out[2] = finish(acc[2], table[7], table[8], zero_point, low, high);
    out[3] = finish(acc[3], table[10], table[11], zero_point, low, high);
}

/* All taps of a window inside of the image, whose first pixel's channels are at `x`, in a row:
 * filters of up to 25 taps; of larger ones, unrolled code would outgrow its gain. *weights moves on
 * to those of the next channels. */
TINYC_INLINE void tinyc_taps4(int32_t *acc, const int8_t *x, const int8_t **weights,
                              uint32_t offset, const struct tinyc_window *w)
{
    TINYC_UNROLL(25)
    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        TINYC_UNROLL(25)
        for (int32_t kx = 0; kx < w->kernel.w; kx++) {
            const int32_t at = ky * w->dilation.h * w->in.w + kx * w->dilation.w;
            *weights = tinyc_tap4(acc, x + at * w->in.c, *weights, offset);
        }
    }
}

/* weights: for each four channels (see tinyc_overlap), for each tap, one byte a channel; table:
 * bias of each of them, and the two words that `finish` takes. */
TINYC_INLINE void tinyc_depthwise_s8_dsp(const int8_t *in, int8_t *out, const int8_t *weights,
                                         const int32_t *table, const struct tinyc_window *w,
                                         int32_t input_zero, int32_t zero_point, int32_t low,
                                         int32_t high, tinyc_finish_s8 *finish)
{
    const uint32_t offset = ((uint32_t)-input_zero & 0xffffU) * 0x10001U;
    const int32_t last_y = w->in.h - (w->kernel.h - 1) * w->dilation.h - 1;
    const int32_t last_x = w->in.w - (w->kernel.w - 1) * w->dilation.w - 1;

    for (int32_t oy = 0; oy < w->out.h; oy++) {
        const int32_t y0 = oy * w->stride.h - w->padding.top;
        for (int32_t ox = 0; ox < w->out.w; ox++) {
            const int32_t x0 = ox * w->stride.w - w->padding.left;
            const int8_t *filter = weights;
            const int32_t *channel = table;
            if (w->kernel.h * w->kernel.w <= 25 && y0 >= 0 && x0 >= 0 && y0 <= last_y &&
                x0 <= last_x && !TINYC_SMALL) {
                const int8_t *x = in + (y0 * w->in.w + x0) * w->in.c;
                for (int32_t c = 0; c < w->in.c; c += 4) {
                    const int32_t overlap = tinyc_overlap(c, w->in.c);
                    int32_t acc[4];
                    tinyc_biases4(acc, channel);
                    x -= overlap;
                    out -= overlap;
                    tinyc_taps4(acc, x, &filter, offset, w);
                    tinyc_store4(acc, channel, out, zero_point, low, high, finish);
                    channel += 12;
                    x += 4;
                    out += 4;
                }
                continue;
            }
            const struct tinyc_taps ys = tinyc_taps_y(w, oy), xs = tinyc_taps_x(w, ox);
            for (int32_t c = 0; c < w->in.c; c += 4) {
                const int32_t overlap = tinyc_overlap(c, w->in.c);
                const int8_t *const first = in + c - overlap;
                int32_t acc[4];
                tinyc_biases4(acc, channel);
                out -= overlap;
                for (int32_t ky = ys.first; ky < ys.end; ky++) {
                    const int32_t y = ys.start + ky * w->dilation.h;
                    const int8_t *x =
                        first + (y * w->in.w + x0 + xs.first * w->dilation.w) * w->in.c;
                    const int8_t *tap = filter + 4 * (ky * w->kernel.w + xs.first);
                    for (int32_t kx = xs.first; kx < xs.end; kx++, x += w->dilation.w * w->in.c) {
                        tap = tinyc_tap4(acc, x, tap, offset);
                    }
                }
                filter += 4 * w->kernel.h * w->kernel.w;
                tinyc_store4(acc, channel, out, zero_point, low, high, finish);
                channel += 12;
                out += 4;
            }
        }
    }
}

#endif
