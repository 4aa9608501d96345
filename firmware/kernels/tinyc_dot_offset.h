/* Of weights with a zero point. */
#ifndef TINYC_DOT_OFFSET_H
#define TINYC_DOT_OFFSET_H

#include "tinyc_base.h"

/* acc + sum of (x[i] + offset) * (w[i] + weight_offset) */
TINYC_INLINE int32_t tinyc_dot_s8_offset(int32_t acc, const int8_t *x, const int8_t *w,
                                         int32_t count, int32_t offset, int32_t weight_offset)
{
    for (; count > 0; count--) {
        acc += (*x++ + offset) * (*w++ + weight_offset);
    }
    return acc;
}

TINYC_INLINE int32_t tinyc_sum_s8(const int8_t *x, int32_t count)
{
    int32_t sum = 0;

    for (; count > 0; count--) {
        sum += *x++;
    }
    return sum;
}

#endif
