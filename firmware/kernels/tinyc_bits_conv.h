/* Convolutions and pooling of signs, portably: a word of 32 products at a time. */
#ifndef TINYC_BITS_CONV_H
#define TINYC_BITS_CONV_H

#include "tinyc_bits.h"
#include "tinyc_bits_layer.h"
#include "tinyc_window.h"

/* Twice the number of products that are -1 of one output: the window starts at row y0 and column
 * x0 of the image and `first` words into its channels; *filter moves on to the next one. */
TINYC_INLINE int32_t tinyc_bits_twice(const int32_t *in, int32_t y0, int32_t x0, int32_t first,
                                      const uint32_t **filter, const struct tinyc_window *window,
                                      const struct tinyc_bits_layer *layer)
{
    const uint32_t *w = *filter;
    int32_t twice = 0;
    for (int32_t ky = 0; ky < window->kernel.h; ky++) {
        const int32_t y = y0 + ky * window->dilation.h;
        for (int32_t kx = 0; kx < window->kernel.w; kx++, w += layer->depth) {
            const int32_t x = x0 + kx * window->dilation.w;
            if (tinyc_is_padded(window) && !tinyc_inside(window, y, x)) {
                if (layer->zeros) {
                    twice += layer->channels;
                    continue;
                }
                for (int32_t i = 0; i < layer->depth; i++) {
                    twice += 2 * tinyc_popcount(w[i]);
                }
                continue;
            }
            const int32_t *const pixel = in + (y * window->in.w + x) * window->in.c + first;
            for (int32_t i = 0; i < layer->depth; i++) {
                twice += 2 * tinyc_popcount((uint32_t)pixel[i] ^ w[i]);
            }
        }
    }
    *filter = w;
    return tinyc_bits_clamp(twice, layer->least, layer->most);
}

/* channels: of each output the threshold that twice the count exceeds where its sign is negative,
 * or the two numbers of `tinyc_bits_scale`, or factor and term. */
TINYC_INLINE void tinyc_bits_conv(const int32_t *in, void *out, const uint32_t *weights,
                                  const void *channels, const struct tinyc_window *window,
                                  const struct tinyc_bits_layer *layer)
{
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
                const uint32_t *filter = weights;
                uint32_t word = 0;
                for (int32_t ch = 0; ch < layer->outs; ch++) {
                    const int32_t group = ch / (layer->outs / layer->groups);
                    const int32_t twice =
                        tinyc_bits_twice(in, y0, x0, group * layer->depth, &filter, window, layer);
                    if (layer->ending == TINYC_BITS_S8) {
                        *bytes++ = tinyc_bits_scale(twice, integers + 2 * ch);
                    } else if (layer->ending == TINYC_BITS_F32) {
                        *floats++ = (float)twice * reals[2 * ch] + reals[2 * ch + 1];
                    } else {
                        word |= (twice > integers[ch] ? 1U : 0U) << (ch & 31);
                        if ((ch & 31) == 31 || ch == layer->outs - 1) {
                            *words++ = (int32_t)word;
                            word = 0;
                        }
                    }
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

/* Maximum pooling: +1 where any is, which is what all bits being set excludes. minimum: words of
 * the channels of which the minimum is taken instead, null where there are none. */
TINYC_INLINE void tinyc_bits_max_pool(const int32_t *in, int32_t *out, const uint32_t *minimum,
                                      const struct tinyc_window *window)
{
    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const struct tinyc_span rows = tinyc_seen_rows(window, oy);
            for (int32_t ox = 0; ox < window->out.w; ox++) {
                const struct tinyc_span columns = tinyc_seen_columns(window, ox);
                for (int32_t word = 0; word < window->in.c; word++) {
                    const uint32_t flip = minimum != 0 ? minimum[word] : 0U;
                    uint32_t all = 0xffffffffU;
                    for (int32_t y = rows.first; y < rows.end; y++) {
                        const int32_t *pixel =
                            in + (y * window->in.w + columns.first) * window->in.c + word;
                        for (int32_t left = columns.end - columns.first;; pixel += window->in.c) {
                            all &= (uint32_t)*pixel ^ flip;
                            if (--left == 0) {
                                break; /* before `pixel` leaves the image */
                            }
                        }
                    }
                    *out++ = (int32_t)(all ^ flip);
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
