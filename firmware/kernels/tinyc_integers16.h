/* The outputs of int16 convolutions. See tinyc/ops/_int16.py. */
#ifndef TINYC_INTEGERS16_H
#define TINYC_INTEGERS16_H

#include "tinyc_integers.h"
#include "tinyc_sum16.h"

/* How the sums of a layer are scaled: by tinyc_high16, tinyc_reduced16 or tinyc_wrapped16. */
enum tinyc_scaling16 { TINYC_HIGH16, TINYC_REDUCED16, TINYC_WRAPPED16 };

/* table: what that function reads of each channel. */
TINYC_INLINE int16_t tinyc_output16(int64_t sum, const int32_t *table, int32_t channel,
                                    enum tinyc_scaling16 scaling, int32_t low, int32_t high)
{
    int32_t y;
    if (scaling == TINYC_HIGH16) {
        y = tinyc_high16((int32_t)sum, table + 3 * channel);
    } else if (scaling == TINYC_REDUCED16) {
        y = tinyc_reduced16(sum, table + 4 * channel);
    } else {
        y = tinyc_wrapped16(sum, table + 4 * channel);
    }
    return (int16_t)tinyc_clamp(y, low, high);
}

/* int16, whose zero point is 0. */
TINYC_INLINE void tinyc_store_s16(void *out, int32_t at, int64_t sum, const void *table,
                                  int32_t channel, const struct tinyc_integers *how,
                                  int32_t zero_point, int32_t low, int32_t high)
{
    const enum tinyc_scaling16 scaling = (enum tinyc_scaling16)how->scaling;
    (void)zero_point;
    ((int16_t *)out)[at] = tinyc_output16(sum, table, channel, scaling, low, high);
}

#endif
