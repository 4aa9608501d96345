/* MUL of int8 and of int16. */
#ifndef TINYC_MUL_H
#define TINYC_MUL_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_requant.h"

/* x_offset, y_offset: the operands' zero points, negated; multiplier, shift: from their product to
 * the output's scale. */
struct tinyc_mul {
    int32_t x_offset;
    int32_t y_offset;
    int32_t multiplier;
    int32_t shift;
    struct tinyc_output output;
};

TINYC_INLINE int32_t tinyc_multiply(int32_t x, int32_t y, const struct tinyc_mul *mul)
{
    const int32_t product = (x + mul->x_offset) * (y + mul->y_offset);
    const int32_t scaled = tinyc_requant2(product, mul->multiplier, mul->shift);
    return tinyc_quantized(scaled, &mul->output);
}

#endif
