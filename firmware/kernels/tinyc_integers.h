/* What layers of int8, of int16 and of float32 that becomes int8 differ in, for the kernels that
 * compute all of them. */
#ifndef TINYC_INTEGERS_H
#define TINYC_INTEGERS_H

#include "tinyc_dot.h"
#include "tinyc_requant.h"
#include "tinyc_window.h"

/* What the outputs of a layer are limited to. */
struct tinyc_outputs {
    int32_t zero_point, low, high; /* of int8 and int16 */
    float scale, least, most;      /* of float32; scale: of the numbers that were summed */
};

struct tinyc_integers;

/* Write to `out` what becomes of the sum of a channel; entry: the channel's, in a table. */
typedef void tinyc_store(void *out, int64_t sum, const void *entry,
                         const struct tinyc_integers *how, const struct tinyc_outputs *outputs);

struct tinyc_integers {
    int32_t bytes;       /* of an input: 1 or 2 */
    int32_t wide;        /* whether sums need 64 bits, as those of int16 may */
    int32_t weight_zero; /* the zero point of the weights */
    int32_t groups;      /* of channels, each of which makes outputs of its own */
    tinyc_store *store;
    int32_t scaling;      /* one of the ways that the store function knows */
    int32_t entry_bytes;  /* of a channel in the table */
    int32_t output_bytes; /* of an output */
};

/* Store an output and return where the next one belongs; *entry moves on to the next channel. */
TINYC_INLINE void *tinyc_finish(void *out, int64_t sum, const void **entry,
                                const struct tinyc_integers *how,
                                const struct tinyc_outputs *outputs)
{
    how->store(out, sum, *entry, how, outputs);
    *entry = (const int8_t *)*entry + how->entry_bytes;
    return (int8_t *)out + how->output_bytes;
}

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

/* int8. entry: bias, multiplier and shift, as of tinyc_requant2. */
TINYC_HANDED void tinyc_store_s8(void *out, int64_t sum, const void *entry,
                                 const struct tinyc_integers *how,
                                 const struct tinyc_outputs *outputs)
{
    const int32_t *const channel = entry;
    const int32_t biased = tinyc_add_bias((int32_t)sum, channel[0]);
    const int32_t y = tinyc_requant2(biased, channel[1], channel[2]);
    (void)how;
    *(int8_t *)out =
        (int8_t)tinyc_clamp_offset(y, outputs->zero_point, outputs->low, outputs->high);
}

#endif
