/* Sums of products of integers. */
#ifndef TINYC_DOT_H
#define TINYC_DOT_H

#include "tinyc_base.h"

/* The input `at` of those at `in`, of `bytes` each: int8 (1) or int16 (2). */
TINYC_INLINE int32_t tinyc_input(const void *in, int32_t bytes, int32_t at)
{
    return bytes == 1 ? ((const int8_t *)in)[at] : ((const int16_t *)in)[at];
}

/* acc + sum of (x[i] + offset) * (w[i] + weight_offset) */
TINYC_INLINE int32_t tinyc_dot(int32_t acc, const void *x, int32_t bytes, const int8_t *w,
                               int32_t count, int32_t offset, int32_t weight_offset)
{
    const int8_t *at = x;

    for (; count >= 4; count -= 4, at += 4 * bytes, w += 4) {
        acc += (tinyc_input(at, bytes, 0) + offset) * (w[0] + weight_offset);
        acc += (tinyc_input(at, bytes, 1) + offset) * (w[1] + weight_offset);
        acc += (tinyc_input(at, bytes, 2) + offset) * (w[2] + weight_offset);
        acc += (tinyc_input(at, bytes, 3) + offset) * (w[3] + weight_offset);
    }
    for (; count > 0; count--, at += bytes, w++) {
        acc += (tinyc_input(at, bytes, 0) + offset) * (*w + weight_offset);
    }
    return acc;
}

/* acc + sum of x[i] * w[i] in 64 bits; up to 64 products fit 32. */
TINYC_INLINE int64_t tinyc_dot_wide(int64_t acc, const int16_t *x, const int8_t *w, int32_t count)
{
    for (; count > 64; count -= 64, x += 64, w += 64) {
        acc += tinyc_dot(0, x, 2, w, 64, 0, 0);
    }
    return acc + tinyc_dot(0, x, 2, w, count, 0, 0);
}

/* The sum of `count` inputs. */
TINYC_INLINE int32_t tinyc_sum_s8(const int8_t *x, int32_t count)
{
    int32_t sum = 0;

    for (; count > 0; count--) {
        sum += *x++;
    }
    return sum;
}

/* The bias is added last and may wrap around, as it does in TFLite's reference kernels. */
TINYC_INLINE int32_t tinyc_add_bias(int32_t acc, int32_t bias)
{
    return (int32_t)((uint32_t)acc + (uint32_t)bias);
}

#endif
