/* Fully connected layers of int8 on cores with the DSP extension, four rows of inputs at a time: a
 * convolution whose pixels are the rows, and which rounds once. */
#ifndef TINYC_DENSE_ROWS_DSP_H
#define TINYC_DENSE_ROWS_DSP_H

#include "tinyc_conv2d_dsp.h"
#include "tinyc_dense_dsp.h"

/* Of a multiplier and a right shift less two. */
TINYC_INLINE int8_t tinyc_finish_once_s8_dsp(int32_t acc, int32_t multiplier, int32_t shift,
                                             int32_t zero_point, int32_t low, int32_t high)
{
    return tinyc_clamp_s8(tinyc_requant1_dsp(acc, multiplier, shift) + zero_point, low, high);
}

TINYC_DEFINE_CONV_COLUMNS(tinyc_dense_columns, tinyc_finish_once_s8_dsp)

#endif
