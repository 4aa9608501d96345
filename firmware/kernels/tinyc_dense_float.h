/* Fully connected layers of int8 whose sums are multiplied by a float32. */
#ifndef TINYC_DENSE_FLOAT_H
#define TINYC_DENSE_FLOAT_H

#include "tinyc_dense.h"
#include "tinyc_float_scale.h"

TINYC_DEFINE_DENSE(tinyc_dense_s8_float, tinyc_scaled)

#endif
