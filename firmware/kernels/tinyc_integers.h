/* What layers of int8, of int16 and of float32 that becomes int8 differ in, for the kernels that
 * compute all of them. */
#ifndef TINYC_INTEGERS_H
#define TINYC_INTEGERS_H

#include "tinyc_dot.h"
#include "tinyc_requant.h"
#include "tinyc_window.h"

struct tinyc_integers;

/* Write the output `at` of those at `out`: what becomes of the sum of `channel`, whose entry is in
 * `table`. */
typedef void tinyc_store(void *out, int32_t at, int64_t sum, const void *table, int32_t channel,
                         const struct tinyc_integers *how, int32_t zero_point, int32_t low,
                         int32_t high);

struct tinyc_integers {
    int32_t bytes;       /* of an input: 1 or 2 */
    int32_t wide;        /* whether sums need 64 bits, as those of int16 may */
    int32_t weight_zero; /* the zero point of the weights */
    int32_t groups;      /* of channels, each of which makes outputs of its own */
    tinyc_store *store;
    int32_t scaling;   /* one of the ways that the store function knows */
    float least, most; /* of float32 outputs */
};

/* A layer's sums of products, stored. table: what the store function reads; input_zero: what is
 * subtracted from each input; zero_point, low, high: of int8 and int16 outputs. */
typedef void tinyc_convolution(const void *in, void *out, const int8_t *weights, const void *table,
                               const struct tinyc_window *w, const struct tinyc_integers *how,
                               int32_t input_zero, int32_t zero_point, int32_t low, int32_t high);

/* A sum, in 32 bits or in 64. */
struct tinyc_sum {
    int32_t narrow;
    int64_t wide;
};

/* Add the products of `count` inputs, less their zero point, with their weights. */
TINYC_INLINE void tinyc_add_products(struct tinyc_sum *sum, const void *x, const int8_t *w,
                                     int32_t count, int32_t input_zero,
                                     const struct tinyc_integers *how)
{
    if (how->wide) {
        sum->wide = tinyc_dot_wide(sum->wide, x, w, count);
    } else {
        sum->narrow =
            tinyc_dot(sum->narrow, x, how->bytes, w, count, -input_zero, -how->weight_zero);
    }
}

TINYC_INLINE int64_t tinyc_summed(const struct tinyc_sum *sum, const struct tinyc_integers *how)
{
    return how->wide ? sum->wide : sum->narrow;
}

/* int8. table: bias, multiplier and shift, as of tinyc_requant2, of each channel. */
TINYC_INLINE void tinyc_store_s8(void *out, int32_t at, int64_t sum, const void *table,
                                 int32_t channel, const struct tinyc_integers *how,
                                 int32_t zero_point, int32_t low, int32_t high)
{
    const int32_t *const entry = (const int32_t *)table + 3 * channel;
    const int32_t y = tinyc_requant2(tinyc_add_bias((int32_t)sum, entry[0]), entry[1], entry[2]);
    (void)how;
    ((int8_t *)out)[at] = (int8_t)tinyc_clamp_offset(y, zero_point, low, high);
}

#endif
