/* Convolution of signs by `tinyc_bits_sum.h`: 32 output channels at once. */
#ifndef TINYC_BITS_SLICED_H
#define TINYC_BITS_SLICED_H

#include "tinyc_bits.h"
#include "tinyc_bits_layer.h"
#include "tinyc_bits_sum.h"
#include "tinyc_window.h"

/* The inputs of a window that are -1, or with `flip` set those that are +1, as offsets of rows of
 * weights; ends behind `limit` if there are more. */
TINYC_INLINE uint16_t *tinyc_bits_window(const int32_t *in, int32_t y0, int32_t x0, uint32_t flip,
                                         uint16_t *list, const uint16_t *limit,
                                         const struct tinyc_window *window,
                                         const struct tinyc_bits_layer *layer)
{
    const int32_t channels = layer->channels;
    const int padded = tinyc_is_padded(window);
    /* whether the pixels of a row of the window lie side by side, in whole words */
    const int beside = channels % 32 == 0 && window->dilation.w == 1;
    const int within = !padded || (x0 >= 0 && x0 + window->kernel.w <= window->in.w);

    for (int32_t ky = 0; ky < window->kernel.h; ky++) {
        const int32_t y = y0 + ky * window->dilation.h;
        const int above = padded && (y < 0 || y >= window->in.h);
        if (above && layer->zeros) {
            continue;
        }
        const int32_t taps = above || (beside && within) ? window->kernel.w : 1;
        for (int32_t kx = 0; kx < window->kernel.w; kx += taps) {
            const int32_t x = x0 + kx * window->dilation.w;
            const int32_t *pixel = 0;
            if (!above && (!padded || (x >= 0 && x < window->in.w))) {
                pixel = in + (y * window->in.w + x) * window->in.c;
            } else if (layer->zeros) {
                continue;
            }
            const uint32_t offset = (uint32_t)((ky * window->kernel.w + kx) * 4 * channels);
            list = tinyc_bits_list(pixel, channels * taps, offset, flip, list, limit);
        }
    }
    return list;
}

/* The tables of a sliced layer. rows, columns: the kind of border that each row and column of
 * windows overlaps, null where padding is of ones or there is none; limits: of `planes` words each,
 * the counts below which a sign is negative; known: how many weights of each channel (and kind) are
 * -1; scales, bounds, factors: see `tinyc_bits_conv`. */
struct tinyc_bits_tables {
    const uint32_t *weights;
    const uint16_t *rows, *columns;
    const uint32_t *limits;
    const int16_t *known;
    const int32_t *scales;
    const int8_t *bounds;
    const float *factors;
};

/* bits: inputs of a window; most: how many of them are listed, whole sixteens and more than half;
 * list: 2 * (most + 48) bytes; plane: 16 words, or for signs as many as twice `bits` has, at least
 * five: `planes`.
 *
 * Counted is twice the sum of the listed weights less the number of listed inputs, and `bits` more,
 * which keeps it positive. */
TINYC_INLINE void tinyc_bits_sliced(const int32_t *in, void *out, uint16_t *list, uint32_t *plane,
                                    int32_t bits, int32_t most, int32_t planes,
                                    const struct tinyc_bits_tables *tables,
                                    const struct tinyc_window *window,
                                    const struct tinyc_bits_layer *layer)
{
    const uint16_t *const limit = list + most;
    const int32_t groups = (layer->outs + 31) / 32;
    const int32_t slots = layer->ending == TINYC_BITS_SIGNS ? planes : 16;
    int32_t *words = out;
    int8_t *bytes = out;
    float *floats = out;

    for (int32_t n = 0; n < window->in.n; n++) {
        for (int32_t oy = 0; oy < window->out.h; oy++) {
            const int32_t y0 = oy * window->stride.h - window->padding.top;
            for (int32_t ox = 0; ox < window->out.w; ox++) {
                const int32_t x0 = ox * window->stride.w - window->padding.left;
                const int32_t border =
                    tables->rows != 0 ? tables->rows[oy] + tables->columns[ox] : 0;
                uint32_t flip = 0;
                uint16_t *end;
                /* Of the two signs, one has no more than half of the inputs. */
                while ((end = tinyc_bits_window(in, y0, x0, flip, list, limit, window, layer)) >
                       limit) {
                    flip = ~flip;
                }
                const uint32_t start = (uint32_t)bits - (uint32_t)(end - list);
                while (((end - list) & 15) != 0) {
                    *end++ = (uint16_t)(4 * bits); /* a row of zeros */
                }
                const uint32_t *weights = tables->weights;
                for (int32_t group = 0; group < groups; group++, weights += bits + 1) {
                    for (int32_t k = 0; k < slots; k++) {
                        plane[k] = 0U - ((start >> k) & 1U);
                    }
                    tinyc_bits_sum(weights, list, end, plane + 1);
                    if (layer->ending == TINYC_BITS_SIGNS) {
                        const int32_t at = 2 * (border * groups + group) + (flip != 0U ? 1 : 0);
                        const uint32_t *const limits = tables->limits + at * planes;
                        *words++ = (int32_t)(flip ^ tinyc_bits_below(plane, limits, planes));
                        continue;
                    }
                    tinyc_bits_bytes(plane);
                    tinyc_bits_bytes(plane + 8);
                    const uint8_t *const low = (const uint8_t *)plane;
                    const int16_t *const known = tables->known;
                    const int32_t first = group * 32;
                    for (int32_t i = 0; i < 32 && first + i < layer->outs; i++) {
                        const int32_t ch = first + i;
                        int32_t count = low[i] | low[32 + i] << 8;
                        if (tables->rows != 0) {
                            const int32_t own = known[border * layer->outs + ch];
                            const int32_t inner = known[ch];
                            count = flip != 0U ? inner + own + bits - count : count + inner - own;
                        } else if (flip != 0U) {
                            count = 2 * known[ch] + bits - count;
                        }
                        if (layer->ending == TINYC_BITS_S8) {
                            int32_t y = tinyc_bits_scale(count, tables->scales + 2 * ch);
                            if (tables->bounds != 0) {
                                const int8_t *const bound = tables->bounds + 2 * ch;
                                y = tinyc_bits_clamp(y, bound[0], bound[1]);
                            }
                            *bytes++ = (int8_t)y;
                        } else {
                            const int32_t twice = 2 * (known[ch] + bits - count);
                            const float *const factor = tables->factors + 2 * ch;
                            const int32_t y = tinyc_bits_clamp(twice, layer->least, layer->most);
                            *floats++ = (float)y * factor[0] + factor[1];
                        }
                    }
                }
            }
        }
        in += window->in.h * window->in.w * window->in.c;
    }
}

#endif
