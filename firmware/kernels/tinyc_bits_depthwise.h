/* Depthwise convolution of signs: the counters of 32 channels lie across words, bit c of plane k is
 * bit k of channel c's. */
#ifndef TINYC_BITS_DEPTHWISE_H
#define TINYC_BITS_DEPTHWISE_H

#include "tinyc_bits.h"
#include "tinyc_bits_layer.h"
#include "tinyc_window.h"

#define TINYC_BITS_PLANES 16 /* windows of fewer than 2^15 taps */

/* Do `step(k)` for each plane; written out, so that the planes of a layer stay in registers. */
#define TINYC_BITS_EACH_PLANE(step)                                                          \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10) \
        step(11) step(12) step(13) step(14) step(15)

/* Add the bits of `carry` to the counters, from plane `first` on. */
TINYC_INLINE void tinyc_bits_count(uint32_t *plane, int32_t first, int32_t planes, uint32_t carry)
{
#define TINYC_BITS_STEP(k)          \
    if (k >= first && k < planes) { \
        plane[k] ^= carry;          \
        carry &= ~plane[k];         \
    }
    TINYC_BITS_EACH_PLANE(TINYC_BITS_STEP)
#undef TINYC_BITS_STEP
}

/* The channels whose counters exceed their thresholds, from the lowest bit up. threshold: the word
 * of the channels without one, then a word for each plane. */
TINYC_INLINE uint32_t tinyc_bits_above(const uint32_t *plane, int32_t planes,
                                       const uint32_t *threshold)
{
    uint32_t above = 0;
#define TINYC_BITS_STEP(k)                                                                 \
    if (k < planes) {                                                                      \
        above = (plane[k] & ~threshold[k + 1]) | (above & ~(plane[k] ^ threshold[k + 1])); \
    }
    TINYC_BITS_EACH_PLANE(TINYC_BITS_STEP)
#undef TINYC_BITS_STEP
    return above | threshold[0];
}

/* The counter of channel i. */
TINYC_INLINE int32_t tinyc_bits_counter(const uint32_t *plane, int32_t planes, int32_t i)
{
    uint32_t count = 0;
#define TINYC_BITS_STEP(k)                    \
    if (k < planes) {                         \
        count |= ((plane[k] >> i) & 1U) << k; \
    }
    TINYC_BITS_EACH_PLANE(TINYC_BITS_STEP)
#undef TINYC_BITS_STEP
    return (int32_t)count;
}

/* What counts is twice the number of products that are -1; planes: how many such a count takes;
 * channels: as in `tinyc_bits_conv`, but thresholds as in `tinyc_bits_above`. */
TINYC_INLINE void tinyc_bits_depthwise(const int32_t *in, void *out, const uint32_t *weights,
                                       const void *channels, int32_t planes,
                                       const struct tinyc_window *window,
                                       const struct tinyc_bits_layer *layer)
{
    const uint32_t *const thresholds = channels;
    const int32_t *const integers = channels;
    const float *const reals = channels;
    int32_t *words = out;
    int8_t *bytes = out;
    float *floats = out;

    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const int32_t y0 = oy * window->stride.h - window->padding.top;
            for (int32_t ox = 0; ox < window->out.w; ox++) {
                const int32_t x0 = ox * window->stride.w - window->padding.left;
                for (int32_t word = 0; word < window->in.c; word++) {
                    const uint32_t *w = weights + word;
                    uint32_t plane[TINYC_BITS_PLANES] = {0};
                    for (int32_t ky = 0; ky < window->kernel.h; ky++) {
                        const int32_t y = y0 + ky * window->dilation.h;
                        for (int32_t kx = 0; kx < window->kernel.w; kx++, w += window->in.c) {
                            const int32_t x = x0 + kx * window->dilation.w;
                            uint32_t carry = *w;
                            if (!tinyc_is_padded(window) || tinyc_inside(window, y, x)) {
                                const int32_t at = (y * window->in.w + x) * window->in.c + word;
                                carry ^= (uint32_t)in[at];
                            } else if (layer->zeros) {
                                /* half of a product that is -1 */
                                tinyc_bits_count(plane, 0, planes, 0xffffffffU);
                                continue;
                            }
                            tinyc_bits_count(plane, 1, planes, carry);
                        }
                    }
                    const int32_t first = word * 32;
                    const int32_t left = layer->outs - first;
                    if (layer->ending == TINYC_BITS_SIGNS) {
                        const uint32_t *const threshold = thresholds + word * (planes + 1);
                        const uint32_t above = tinyc_bits_above(plane, planes, threshold);
                        /* bits behind the last channel stay clear */
                        *words++ =
                            (int32_t)(left < 32 ? above & ((1U << (left & 31)) - 1U) : above);
                        continue;
                    }
                    for (int32_t i = 0; i < 32 && i < left; i++) {
                        const int32_t twice = tinyc_bits_counter(plane, planes, i);
                        const int32_t ch = first + i;
                        if (layer->ending == TINYC_BITS_S8) {
                            *bytes++ = tinyc_bits_scale(twice, integers + 2 * ch);
                        } else {
                            *floats++ = (float)twice * reals[2 * ch] + reals[2 * ch + 1];
                        }
                    }
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
