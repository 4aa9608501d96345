/* The outputs of int16 convolutions. See tinyc/ops/_int16.py. */
#ifndef TINYC_INTEGERS16_H
#define TINYC_INTEGERS16_H

#include "tinyc_integers.h"
#include "tinyc_sum16.h"

/* How the sums of a layer are scaled: by tinyc_high16, tinyc_reduced16 or tinyc_wrapped16. */
enum tinyc_scaling16 { TINYC_HIGH16, TINYC_REDUCED16, TINYC_WRAPPED16 };

/* The words of a channel in the table that it reads. */
TINYC_INLINE int32_t tinyc_words16(enum tinyc_scaling16 scaling)
{
    return scaling == TINYC_HIGH16 ? 3 : 4;
}

TINYC_INLINE int16_t tinyc_output16(int64_t sum, const int32_t *channel,
                                    enum tinyc_scaling16 scaling, int32_t low, int32_t high)
{
    int32_t y;
    if (scaling == TINYC_HIGH16) {
        y = tinyc_high16((int32_t)sum, channel);
    } else if (scaling == TINYC_REDUCED16) {
        y = tinyc_reduced16(sum, channel);
    } else {
        y = tinyc_wrapped16(sum, channel);
    }
    return (int16_t)tinyc_clamp(y, low, high);
}

/* int16, whose zero point is 0. */
TINYC_HANDED void tinyc_store_s16(void *out, int64_t sum, const void *entry,
                                  const struct tinyc_integers *how,
                                  const struct tinyc_outputs *outputs)
{
    const enum tinyc_scaling16 scaling = (enum tinyc_scaling16)how->scaling;
    *(int16_t *)out = tinyc_output16(sum, entry, scaling, outputs->low, outputs->high);
}

#endif
