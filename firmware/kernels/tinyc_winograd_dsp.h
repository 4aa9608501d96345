/* 3x3 convolutions by Winograd's minimal filtering, exact in integers, with the DSP extension.
 *
 * F(m x m, 3 x 3) makes a tile of m x m outputs of n x n = (m + 2) x (m + 2) products instead of
 * 9 m^2: input and filter are transformed to n x n points, multiplied point by point, summed over
 * the channels, and the sums transformed back (A. Lavin, S. Gray, Fast Algorithms for Convolutional
 * Neural Networks, arXiv:1509.09308). All fractions of the transforms are in the filters,
 * multiplied by their denominators, so that what comes back is a multiple of the output: of 4 where
 * m is 2; of 9 and a power of two where it is 4, where sums may wrap, as dividing by 9 is a
 * multiplication by its inverse modulo 2^32.
 *
 * Words hold the points of two channels. Inputs are taken as unsigned bytes, x + 128: then a word
 * is low + 2^16 high whatever the sign of either, plain additions and shifts transform both at
 * once, and the borrow of the high one is given back at the end.
 *
 * weights: for each pair of channels, for each point, for each quad of inputs k0..k3 the points of
 *          (k0, k2) of channel 0, of channel 1, and those of (k1, k3), in int16;
 * points:  for each point, for each of those pairs of inputs, the words of four tiles. */
#ifndef TINYC_WINOGRAD_DSP_H
#define TINYC_WINOGRAD_DSP_H

#include "tinyc_dsp.h"
#include "tinyc_gather.h"
#include "tinyc_mac.h"

/* The most points along an axis. */
#define TINYC_WINOGRAD_POINTS 6

/* products[8 p] to products[8 p + 3] and the four behind: channels 0 and 1 of point p of four
 * tiles, summed over `depth` inputs, a multiple of 16; wraps around. */
#if TINYC_DSP

/* r0: weights, r1: points; r4 to r7 and r8 to r11: sums of channels 0 and 1. */
#define TINYC_WINOGRAD_ROW     \
    "ldr    r2, [r0], #4\n\t"  \
    "ldr    r3, [r0], #4\n\t"  \
    "ldr    r12, [r1], #4\n\t" \
    "ldr    lr, [r1], #4\n\t" TINYC_MAC_PRODUCTS_2X4

/* On the stack: the row of points' bytes, products, their end. */
__attribute__((naked, noinline, unused)) static void tinyc_winograd_products(
    __attribute__((unused)) const int16_t *weights, __attribute__((unused)) const uint32_t *points,
    __attribute__((unused)) uint32_t *products, __attribute__((unused)) int32_t count,
    __attribute__((unused)) int32_t depth)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "ldr    r12, [sp]\n\t"
        "push   {r4-r11, lr}\n\t"
        "add    r3, r2, r3, lsl #5\n\t"
        "lsl    r12, r12, #3\n\t"
        "sub    sp, sp, #4\n\t"
        "push   {r2, r3, r12}\n"
        "1:\n\t"
        "ldr    r12, [sp, #8]\n\t"
        "movs   r4, #0\n\t"
        "movs   r5, #0\n\t"
        "movs   r6, #0\n\t"
        "movs   r7, #0\n\t"
        "mov    r8, r4\n\t"
        "mov    r9, r4\n\t"
        "mov    r10, r4\n\t"
        "mov    r11, r4\n\t"
        "add    r12, r12, r1\n\t"
        "str    r12, [sp, #12]\n\t"
        ".balign 16\n"
        "2:\n\t"
        ".rept 8\n\t" TINYC_WINOGRAD_ROW
        ".endr\n\t"
        "ldr    r2, [sp, #12]\n\t"
        "cmp    r1, r2\n\t"
        "bne    2b\n\t"
        "ldr    r2, [sp]\n\t"
        "ldr    r3, [sp, #4]\n\t"
        "stmia  r2!, {r4-r11}\n\t"
        "str    r2, [sp]\n\t"
        "cmp    r2, r3\n\t"
        "bne    1b\n\t"
        "add    sp, sp, #16\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

static TINYC_SHARED void tinyc_winograd_products(const int16_t *weights, const uint32_t *points,
                                                 uint32_t *products, int32_t count, int32_t depth)
{
    for (; count > 0; count--, products += 8) {
        memset(products, 0, 8 * sizeof *products);
        for (int32_t row = 0; row < depth / 2; row++, weights += 4, points += 4) {
            for (int i = 0; i < 8; i++) {
                const int16_t *const pair = weights + i / 4 * 2;
                const uint32_t x = points[i % 4];
                products[i] +=
                    (uint32_t)(pair[0] * tinyc_low(x)) + (uint32_t)(pair[1] * tinyc_high(x));
            }
        }
    }
}

#endif

/* The transforms along one axis, in place, of numbers `step` apart. */

/* d0 - d2, d1 + d2, d2 - d1, d1 - d3 */
TINYC_INLINE void tinyc_winograd2_in(uint32_t *d, int32_t step)
{
    const uint32_t d1 = d[step];
    const uint32_t d2 = d[2 * step];
    d[0] -= d2;
    d[step] = d1 + d2;
    d[2 * step] = d2 - d1;
    d[3 * step] = d1 - d[3 * step];
}

/* m0 + m1 + m2, m1 - m2 - m3 */
TINYC_INLINE void tinyc_winograd2_out(uint32_t *m, int32_t step)
{
    const uint32_t m1 = m[step];
    const uint32_t m2 = m[2 * step];
    m[0] += m1 + m2;
    m[step] = m1 - m2 - m[3 * step];
}

/* 4 d0 - 5 d2 + d4, -4 d1 - 4 d2 + d3 + d4, 4 d1 - 4 d2 - d3 + d4, -2 d1 - d2 + 2 d3 + d4,
 * 2 d1 - d2 - 2 d3 + d4, 4 d1 - 5 d3 + d5 */
TINYC_INLINE void tinyc_winograd4_in(uint32_t *d, int32_t step)
{
    const uint32_t d1 = d[step];
    const uint32_t d2 = d[2 * step];
    const uint32_t d3 = d[3 * step];
    const uint32_t d4 = d[4 * step];
    const uint32_t even4 = d4 - (d2 << 2);
    const uint32_t odd4 = d3 - (d1 << 2);
    const uint32_t even1 = d4 - d2;
    const uint32_t odd2 = (d3 - d1) << 1;
    d[0] = even4 + (d[0] << 2) - d2;
    d[step] = even4 + odd4;
    d[2 * step] = even4 - odd4;
    d[3 * step] = even1 + odd2;
    d[4 * step] = even1 - odd2;
    d[5 * step] += (d1 << 2) - d3 - (d3 << 2);
}

/* The outputs times 24, 12, 6 and 6: 6 m0 + 4 (m1 + m2) + m3 + m4, 2 (m1 - m2) + m3 - m4,
 * m1 + m2 + m3 + m4, m1 - m2 + 2 (m3 - m4) + 6 m5 */
TINYC_INLINE void tinyc_winograd4_out(uint32_t *m, int32_t step)
{
    const uint32_t sum12 = m[step] + m[2 * step];
    const uint32_t difference12 = m[step] - m[2 * step];
    const uint32_t sum34 = m[3 * step] + m[4 * step];
    const uint32_t difference34 = m[3 * step] - m[4 * step];
    m[0] = ((m[0] + (m[0] << 1)) << 1) + (sum12 << 2) + sum34;
    m[step] = (difference12 << 1) + difference34;
    m[2 * step] = sum12 + sum34;
    m[3 * step] = difference12 + (difference34 << 1) + ((m[5 * step] + (m[5 * step] << 1)) << 1);
}

/* By how many bits a row or a column of 4 x 4 outputs is too large, besides 3. */
TINYC_INLINE int32_t tinyc_winograd4_shift(int32_t at)
{
    return at == 0 ? 3 : (at == 1 ? 2 : 1);
}

/* The points of a tile of four inputs of each pixel, two of them (0 and 2, or 1 and 3); `row` and
 * `column`: bytes between pixels; `step`: words between points. */
TINYC_INLINE void tinyc_winograd_pair(uint32_t *points, int32_t step, const int8_t *in, int32_t row,
                                      int32_t column, int odd, int32_t m)
{
    const int32_t n = m + 2;
    uint32_t d[TINYC_WINOGRAD_POINTS * TINYC_WINOGRAD_POINTS];

    for (int32_t x = 0; x < n; x++) {
        TINYC_UNROLL(6)
        for (int32_t y = 0; y < n; y++) {
            const uint32_t quad = tinyc_load4(in + y * row + x * column) ^ 0x80808080U;
            d[y * n + x] = odd ? tinyc_uxtb16_ror8(quad) : quad & 0xff00ffU;
        }
        if (m == 2) {
            tinyc_winograd2_in(d + x, n);
        } else {
            tinyc_winograd4_in(d + x, n);
        }
    }
    for (int32_t y = 0; y < n; y++) {
        if (m == 2) {
            tinyc_winograd2_in(d + y * n, 1);
        } else {
            tinyc_winograd4_in(d + y * n, 1);
        }
        TINYC_UNROLL(6)
        for (int32_t x = 0; x < n; x++) {
            /* What a low number borrowed of the high one. */
            const uint32_t pair = d[y * n + x];
            points[(y * n + x) * step] = tinyc_pkhbt(pair, pair + 0x8000U);
        }
    }
}

/* Those of all `depth` inputs; `points`: of the tile's words. */
TINYC_INLINE void tinyc_winograd_points(uint32_t *points, const int8_t *in, int32_t row,
                                        int32_t column, int32_t depth, int32_t m)
{
    for (int32_t k = 0; k < depth; k += 4, in += 4, points += 8) {
        tinyc_winograd_pair(points, 2 * depth, in, row, column, 0, m);
        TINYC_FENCE;
        tinyc_winograd_pair(points + 4, 2 * depth, in, row, column, 1, m);
        TINYC_FENCE;
    }
}

/* What makes outputs of a layer's sums. half: 1 + 2 * the zero point, see tinyc_requant2_dsp. */
struct tinyc_winograd_output {
    int32_t row, column; /* bytes between the outputs' pixels */
    int32_t half;
};

/* tinyc_requant2_dsp of twice a sum, whose rounded high product takes in `half`, shifted up, with
 * the sign: for right shifts of up to 23. */
TINYC_INLINE int8_t tinyc_winograd_rescaled(int32_t twice, int32_t multiplier, int32_t shift,
                                            int32_t half)
{
    return (int8_t)tinyc_ssat8_asr1(tinyc_smmlar(twice, multiplier, half + (twice >> 31)) >> shift);
}

/* `rows` x `columns` outputs of one channel of a tile, of its products. */
TINYC_INLINE void tinyc_winograd_tile(const uint32_t *products, const int32_t *channel, int8_t *out,
                                      int32_t rows, int32_t columns,
                                      const struct tinyc_winograd_output *output, int32_t m)
{
    const int32_t n = m + 2;
    const int32_t bias = channel[0] * 2;
    const int32_t multiplier = channel[1];
    const int32_t shift = channel[2];
    const int32_t half = output->half * (1 << shift);
    const int32_t row = output->row;
    const int32_t column = output->column;
    uint32_t t[TINYC_WINOGRAD_POINTS * TINYC_WINOGRAD_POINTS];

    for (int32_t x = 0; x < n; x++) {
        TINYC_UNROLL(6)
        for (int32_t y = 0; y < n; y++) {
            t[y * n + x] = products[(y * n + x) * 8];
        }
        if (m == 2) {
            tinyc_winograd2_out(t + x, n);
        } else {
            tinyc_winograd4_out(t + x, n);
        }
    }
    for (int32_t y = 0; y < rows; y++) {
        if (m == 2) {
            tinyc_winograd2_out(t + y * n, 1);
        } else {
            tinyc_winograd4_out(t + y * n, 1);
        }
        int8_t *to = out;
        out += row;
        TINYC_UNROLL(4)
        for (int32_t x = 0; x < m; x++) {
            if (x >= columns) {
                break;
            }
            /* 0x38e38e39 * 9 = 1 modulo 2^32 */
            const int32_t many = (int32_t)(m == 2 ? t[y * n + x] : t[y * n + x] * 0x38e38e39U);
            const int32_t excess = m == 2 ? 2 : tinyc_winograd4_shift(y) + tinyc_winograd4_shift(x);
            *to = tinyc_winograd_rescaled(bias + (many >> (excess - 1)), multiplier, shift, half);
            to += column;
        }
    }
}

typedef void tinyc_winograd_read(uint32_t *points, const int8_t *in, int32_t row, int32_t column,
                                 int32_t depth);
typedef void tinyc_winograd_write(const uint32_t *products, const int32_t *channel, int8_t *out,
                                  int32_t rows, int32_t columns,
                                  const struct tinyc_winograd_output *output);

/* The functions of tiles of m x m that every layer of a network shares. Whole tiles have code of
 * their own. */
#define TINYC_DEFINE_WINOGRAD(m)                                                                  \
    static TINYC_SHARED void tinyc_winograd##m##_read(uint32_t *points, const int8_t *in,         \
                                                      int32_t row, int32_t column, int32_t depth) \
    {                                                                                             \
        tinyc_winograd_points(points, in, row, column, depth, m);                                 \
    }                                                                                             \
                                                                                                  \
    static TINYC_SHARED void tinyc_winograd##m##_write(                                           \
        const uint32_t *products, const int32_t *channel, int8_t *out, int32_t rows,              \
        int32_t columns, const struct tinyc_winograd_output *output)                              \
    {                                                                                             \
        if (rows >= (m) && columns >= (m)) {                                                      \
            tinyc_winograd_tile(products, channel, out, m, m, output, m);                         \
        } else {                                                                                  \
            tinyc_winograd_tile(products, channel, out, rows < (m) ? rows : (m), columns, output, \
                                m);                                                               \
        }                                                                                         \
    }

TINYC_DEFINE_WINOGRAD(2)
TINYC_DEFINE_WINOGRAD(4)

/* m: 2 or 4; scratch: the points of four tiles, their products of two channels, and n x n pixels;
 * table: bias of each channel, with what inputs of -128 add up to, multiplier and right shift less
 * one, 22 at most; input_zero: the padding. */
TINYC_INLINE void tinyc_winograd_s8_dsp(const int8_t *in, int8_t *out, uint8_t *scratch,
                                        const int16_t *weights, const int32_t *table,
                                        const struct tinyc_window *w, int32_t m, int32_t input_zero,
                                        int32_t zero_point, int32_t low, int32_t high,
                                        tinyc_winograd_read *read, tinyc_winograd_write *write)
{
    const int32_t n = m + 2;
    const int32_t depth = w->in.c;
    const int32_t across = (w->out.w + m - 1) / m;
    const int32_t tiles = (w->out.h + m - 1) / m * across;
    const struct tinyc_winograd_output output = {w->out.w * w->out.c, w->out.c, 1 + 2 * zero_point};
    const struct tinyc_window tile = {
        w->in, {1, tiles, across, 0}, {n, n}, {m, m}, {1, 1}, w->padding,
    };
    uint32_t *const points = (uint32_t *)(void *)scratch;
    uint32_t *const products = points + n * n * 2 * depth;
    int8_t *const patch = (int8_t *)(products + 8 * n * n);

    for (int32_t first = 0; first < tiles; first += 4) {
        const int32_t count = first + 4 <= tiles ? 4 : tiles - first;
        for (int32_t t = 0; t < count; t++) {
            const int32_t ty = (first + t) / across;
            const int32_t tx = (first + t) % across;
            const int32_t y = ty * m - w->padding.top;
            const int32_t x = tx * m - w->padding.left;
            if (tinyc_are_inside(y, n, w->in.h) && tinyc_are_inside(x, n, w->in.w)) {
                read(points + t, in + (y * w->in.w + x) * depth, w->in.w * depth, depth, depth);
            } else {
                tinyc_gather(patch, in, 1, ty, tx, &tile, input_zero, tinyc_put_bytes,
                             tinyc_put_padding_bytes);
                read(points + t, patch, n * depth, depth, depth);
            }
        }
        const int16_t *filter = weights;
        const int32_t *channel = table;
        for (int32_t c = 0; c < w->out.c; c += 2, channel += 6) {
            tinyc_winograd_products(filter, points, products, n * n, depth);
            filter += 2 * n * n * depth;
            for (int32_t t = 0; t < count; t++) {
                const int32_t y = (first + t) / across * m;
                const int32_t x = (first + t) % across * m;
                int8_t *const to = out + (y * w->out.w + x) * w->out.c + c;
                write(products + t, channel, to, w->out.h - y, w->out.w - x, &output);
                if (c + 1 < w->out.c) {
                    write(products + 4 + t, channel + 3, to + 1, w->out.h - y, w->out.w - x,
                          &output);
                }
            }
        }
    }
    if (low != INT8_MIN || high != INT8_MAX) {
        tinyc_clamp_bytes(out, w->out.h * w->out.w * w->out.c, low, high);
    }
}

#endif
