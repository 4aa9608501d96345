#ifndef TINYC_DOT_H
#define TINYC_DOT_H

#include "tinyc_base.h"

/* acc + sum of (x[i] + offset) * w[i] */
TINYC_INLINE int32_t tinyc_dot_s8(int32_t acc, const int8_t *x, const int8_t *w, int32_t count,
                                  int32_t offset)
{
    for (; count >= 4; count -= 4, x += 4, w += 4) {
        acc += (x[0] + offset) * w[0];
        acc += (x[1] + offset) * w[1];
        acc += (x[2] + offset) * w[2];
        acc += (x[3] + offset) * w[3];
    }
    for (; count > 0; count--) {
        acc += (*x++ + offset) * *w++;
    }
    return acc;
}

/* The bias is added last and may wrap around, as it does in TFLite's reference kernels. */
TINYC_INLINE int32_t tinyc_add_bias(int32_t acc, int32_t bias)
{
    return (int32_t)((uint32_t)acc + (uint32_t)bias);
}

#endif
