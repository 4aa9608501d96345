#ifndef TINYC_TENSOR_H
#define TINYC_TENSOR_H

#include "tinyc_base.h"

/* What loops that TVM scheduled call: minimum and maximum, and the last steps of a layer. */
TINYC_INLINE int32_t tinyc_min(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

TINYC_INLINE int32_t tinyc_max(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* total / count, halves away from zero; count > 0. */
TINYC_INLINE int32_t tinyc_mean(int32_t total, int32_t count)
{
    return (total > 0 ? total + count / 2 : total - count / 2) / count;
}

#endif
