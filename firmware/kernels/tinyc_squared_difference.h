/* SQUARED_DIFFERENCE of int8 and int16. */
#ifndef TINYC_SQUARED_DIFFERENCE_H
#define TINYC_SQUARED_DIFFERENCE_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* left, right: from the operands to a common scale; square: from that of its
 * squares to the output's. */
struct tinyc_squared_difference {
    struct tinyc_scale left;
    struct tinyc_scale right;
    struct tinyc_scale square;
    struct tinyc_output output;
};

/* SquaredDifference of TFLite's squared_difference.cc, of numbers times `up`; the square of the
 * difference is 2^30 at most. */
TINYC_INLINE int32_t tinyc_squared_difference(int32_t x, int32_t y, int32_t up,
                                              const struct tinyc_squared_difference *p)
{
    const int32_t left = (x + p->left.offset) * up;
    const int32_t right = (y + p->right.offset) * up;
    const int32_t z = tinyc_requant2_small(left, p->left.multiplier, p->left.shift) -
                      tinyc_requant2_small(right, p->right.multiplier, p->right.shift);
    const int32_t scaled = tinyc_requant2(z * z, p->square.multiplier, p->square.shift);
    return tinyc_quantized(scaled, &p->output);
}

TINYC_INLINE int32_t tinyc_squared_difference_s8(int32_t x, int32_t y,
                                                 const struct tinyc_squared_difference *p)
{
    return tinyc_squared_difference(x, y, 128, p);
}

TINYC_INLINE int32_t tinyc_squared_difference_s16(int32_t x, int32_t y,
                                                  const struct tinyc_squared_difference *p)
{
    return tinyc_squared_difference(x, y, 1, p);
}

#endif
