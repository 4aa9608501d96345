/* DIV of int8. */
#ifndef TINYC_DIVIDE_H
#define TINYC_DIVIDE_H

#include "tinyc_base.h"
#include "tinyc_quantized.h"
#include "tinyc_reciprocal.h"
#include "tinyc_requant.h"

/* x / y of small integers times a real number, exact with TFLite's int8 DIV (reference/div.h): the
 * quotient with as many bits as x leaves, then times multiplier * 2^(shift - 31). |x| < 2^8, y not
 * 0, and shift <= 23, so that nothing is shifted up. */
static inline int32_t tinyc_divide(int32_t x, int32_t y, int32_t multiplier, int32_t shift)
{
    if (y < 0) {
        x = -x;
        y = -y;
    }
    int32_t free_bits = 0;
    while (free_bits < 31 && ((x < 0 ? ~(uint32_t)x : (uint32_t)x) << free_bits) < 0x40000000U) {
        free_bits++;
    }
    int32_t digits;
    const int32_t inverse = tinyc_reciprocal(y, &digits); /* of a y with 12 integer bits */
    const int32_t right = digits + 19 + free_bits - shift;
    const int32_t quotient = tinyc_high_mul((int32_t)((uint32_t)x << free_bits), inverse);
    const int32_t scaled = tinyc_high_mul(quotient, multiplier);
    return right > 31 ? 0 : tinyc_round_shift(scaled, right); /* there it is under a half */
}

/* As of tinyc_mul. */
struct tinyc_div {
    int32_t x_offset;
    int32_t y_offset;
    int32_t multiplier;
    int32_t shift;
    struct tinyc_output output;
};

TINYC_INLINE int32_t tinyc_div_s8(int32_t x, int32_t y, const struct tinyc_div *div)
{
    const struct tinyc_output *const out = &div->output;
    x += div->x_offset;
    y += div->y_offset;
    if (y == 0) { /* the end of the range on the side of x */
        return tinyc_quantized(x > 0 ? out->high : (x < 0 ? out->low : 0), out);
    }
    return tinyc_quantized(tinyc_divide(x, y, div->multiplier, div->shift), out);
}

#endif
