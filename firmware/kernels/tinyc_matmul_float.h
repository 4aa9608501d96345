/* Matrix products of int8 whose sums are multiplied by a float32. */
#ifndef TINYC_MATMUL_FLOAT_H
#define TINYC_MATMUL_FLOAT_H

#include "tinyc_float_scale.h"
#include "tinyc_matmul.h"

TINYC_DEFINE_MATMUL(tinyc_matmul_s8_float, int8_t, int32_t, tinyc_scaled)

#endif
