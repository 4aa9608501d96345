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

#endif
