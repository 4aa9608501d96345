#ifndef TINYC_NEAREST_H
#define TINYC_NEAREST_H

#include "tinyc_base.h"

/* An index of an axis from 0 to `last`; of one that lies outside, the nearest. */
TINYC_INLINE int32_t tinyc_nearest(int64_t index, int32_t last)
{
    if (index < 0) {
        return 0;
    }
    return index < last ? (int32_t)index : last;
}

#endif
