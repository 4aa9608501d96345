/* SQUARED_DIFFERENCE of int8. */
#ifndef TINYC_SQUARED_DIFFERENCE_H
#define TINYC_SQUARED_DIFFERENCE_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* left, right: from the operands, seven bits up, to a common scale; square: from that of its
 * squares to the output's. */
struct tinyc_squared_difference {
    struct tinyc_scale left;
    struct tinyc_scale right;
    struct tinyc_scale square;
    struct tinyc_output output;
};

/* |x| < 2^8: the result is less than 2^14. */
TINYC_INLINE int32_t tinyc_seven_bits_up(int32_t x, const struct tinyc_scale *scale)
{
    return tinyc_requant2_small((x + scale->offset) * 128, scale->multiplier, scale->shift);
}

/* SquaredDifference of TFLite's squared_difference.cc; the square of the
 * difference is less than 2^30. */
TINYC_INLINE int32_t tinyc_squared_difference_s8(int32_t x, int32_t y,
                                                 const struct tinyc_squared_difference *p)
{
    const int32_t z = tinyc_seven_bits_up(x, &p->left) - tinyc_seven_bits_up(y, &p->right);
    const int32_t scaled = tinyc_requant2(z * z, p->square.multiplier, p->square.shift);
    return tinyc_quantized(scaled, &p->output);
}

#endif
