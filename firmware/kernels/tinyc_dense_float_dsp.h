/* Fully connected layers of int8 whose sums are multiplied by a float32, the products under 2^22,
 * on cores with the DSP extension. */
#ifndef TINYC_DENSE_FLOAT_DSP_H
#define TINYC_DENSE_FLOAT_DSP_H

#include "tinyc_dense_dsp.h"
#include "tinyc_float_scale.h"

TINYC_DEFINE_DENSE_ROW_DSP(tinyc_dense_row_float, tinyc_scaled_small)

#endif
