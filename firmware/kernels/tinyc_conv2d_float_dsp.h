/* Convolution whose sums are multiplied by a float32, of four pixels with two channels at a time.
 */
#ifndef TINYC_CONV2D_FLOAT_DSP_H
#define TINYC_CONV2D_FLOAT_DSP_H

#include "tinyc_conv2d_dsp.h"
#include "tinyc_float_scale_dsp.h"

TINYC_DEFINE_CONV_COLUMNS(tinyc_conv_columns_float, tinyc_finish_s8_float)

#endif
