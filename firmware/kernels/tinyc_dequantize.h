#ifndef TINYC_DEQUANTIZE_H
#define TINYC_DEQUANTIZE_H

#include "tinyc_base.h"

/* The real number that a quantized one stands for. */
TINYC_INLINE float tinyc_dequantize(int32_t x, int32_t zero_point, float scale)
{
    return (float)(x - zero_point) * scale;
}

#endif
