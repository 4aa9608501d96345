/* Sums of four channels of int8 weights at a time, however the core forms them. */
#ifndef TINYC_FOUR_SUMS_H
#define TINYC_FOUR_SUMS_H

#include "tinyc_base.h"

/* acc[i] = sum of x[k] * w[i][k], from acc[i] = 0; returns the next four channels' weights. */
typedef const int8_t *tinyc_four_sums(int32_t *acc, const int8_t *x, const int8_t *weights,
                                      int32_t depth);

#endif
