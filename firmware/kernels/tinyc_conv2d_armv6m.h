/* Convolution of int8, two pixels and two channels at a time; see tinyc_pairs_armv6m.h. */
#ifndef TINYC_CONV2D_ARMV6M_H
#define TINYC_CONV2D_ARMV6M_H

#include "tinyc_gather.h"
#include "tinyc_pairs_armv6m.h"

/* A pixel of the output. */
struct tinyc_pixel {
    int32_t y, x;
};

TINYC_INLINE struct tinyc_pixel tinyc_next_pixel(struct tinyc_pixel at,
                                                 const struct tinyc_window *w)
{
    at.x++;
    if (at.x == w->out.w) {
        at.x = 0;
        at.y++;
    }
    return at;
}

/* The inputs of row y and column x, or `padding` outside of the image. */
TINYC_INLINE const int8_t *tinyc_inputs(const int8_t *image, int32_t y, int32_t x,
                                        const struct tinyc_window *w, const int8_t *padding)
{
    return tinyc_inside(w, y, x) ? image + (y * w->in.w + x) * w->in.c : padding;
}

/* The windows of two pixels as words. */
static TINYC_SHARED void tinyc_pair_windows(uint32_t *to, const int8_t *image,
                                            struct tinyc_pixel first, struct tinyc_pixel second,
                                            const struct tinyc_window *w, const int8_t *padding)
{
    const int32_t x0 = first.x * w->stride.w - w->padding.left;
    const int32_t x1 = second.x * w->stride.w - w->padding.left;
    int32_t y0 = first.y * w->stride.h - w->padding.top;
    int32_t y1 = second.y * w->stride.h - w->padding.top;
    /* Whether the taps of a row of either lie side by side in the image as well. */
    const int whole = w->dilation.w == 1 && tinyc_are_inside(x0, w->kernel.w, w->in.w) &&
                      tinyc_are_inside(x1, w->kernel.w, w->in.w);

    for (int32_t ky = 0; ky < w->kernel.h; ky++) {
        const int row = whole && tinyc_is_inside(y0, w->in.h) && tinyc_is_inside(y1, w->in.h);
        const int32_t taps = row ? w->kernel.w : 1;
        for (int32_t kx = 0; kx < w->kernel.w; kx += taps) {
            const int32_t dx = kx * w->dilation.w;
            tinyc_pair_up(to, tinyc_inputs(image, y0, x0 + dx, w, padding),
                          tinyc_inputs(image, y1, x1 + dx, w, padding), taps * w->in.c);
            to += taps * w->in.c;
        }
        y0 += w->dilation.h;
        y1 += w->dilation.h;
    }
}

/* The outputs of two pixels, the last of an odd number twice. */
struct tinyc_pixel_pair {
    struct tinyc_pixel at; /* of the pair that follows */
    int32_t left;          /* pixels of the image */
    int8_t *first, *second, *end;
};

TINYC_INLINE struct tinyc_pixel_pair tinyc_first_pair(int8_t *out, const struct tinyc_window *w)
{
    const struct tinyc_pixel_pair pair = {{0, 0}, w->out.h * w->out.w, out, out, out};
    return pair;
}

/* Goes on to the next pair and lays out its windows in `columns`. Returns 0 where there is none. */
TINYC_INLINE int tinyc_next_pair(struct tinyc_pixel_pair *pair, uint32_t *columns,
                                 const int8_t *image, const struct tinyc_window *w,
                                 const int8_t *padding)
{
    if (pair->left <= 0) {
        return 0;
    }
    const struct tinyc_pixel next = pair->left > 1 ? tinyc_next_pixel(pair->at, w) : pair->at;
    tinyc_pair_windows(columns, image, pair->at, next, w, padding);
    pair->first = pair->end;
    pair->second = pair->left > 1 ? pair->first + w->out.c : pair->first;
    pair->end = pair->second + w->out.c;
    pair->at = tinyc_next_pixel(next, w);
    pair->left -= 2;
    return 1;
}

/* scratch: the words of two windows, a multiple of four, then a pixel of padding; bits: of a
 * weight. Of an odd number of channels the last two are those of which one has been there before.
 */
static TINYC_SHARED void tinyc_conv2d_armv6m(const int8_t *in, int8_t *out, uint8_t *scratch,
                                             const int8_t *weights, const int32_t *table,
                                             const struct tinyc_window *w, int32_t input_zero,
                                             int32_t zero_point, int32_t bits,
                                             tinyc_pair_outputs *outputs)
{
    const int32_t depth = (w->kernel.h * w->kernel.w * w->in.c + 3) / 4 * 4;
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    const uint32_t *const end = columns + depth;
    int8_t *const padding = (int8_t *)(columns + depth);
    const int32_t channels = w->out.c;
    const int32_t even = channels - channels % 2;
    const int8_t *const last = weights + even * depth * bits / 8;
    const int32_t offset = 1 + 2 * zero_point;

    if (tinyc_is_padded(w)) {
        memset(padding, input_zero, (size_t)w->in.c);
    }
    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        struct tinyc_pixel_pair pair = tinyc_first_pair(out, w);
        while (tinyc_next_pair(&pair, columns, in, w, padding)) {
            outputs(weights, columns, end, table, pair.first, pair.second, last, offset);
            if (even < channels) {
                outputs(last, columns, end, table + 3 * even, pair.first + even - 1,
                        pair.second + even - 1, last + depth * bits / 4, offset);
            }
        }
        out = pair.end;
    }
}

#endif
