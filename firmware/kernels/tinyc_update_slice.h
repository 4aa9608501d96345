/* A part of a tensor, replaced at a computed place. */
#ifndef TINYC_UPDATE_SLICE_H
#define TINYC_UPDATE_SLICE_H

#include "tinyc_nearest.h"

/* shape, part: of the tensor and of the update, with `rank` axes; bytes: of an element. A start is
 * moved so far that the update lies inside. */
#define TINYC_UPDATE_SLICE(name, index)                                                            \
    TINYC_INLINE void name(void *out, const void *update, const index *starts,                     \
                           const int32_t *shape, const int32_t *part, int32_t rank, int32_t bytes) \
    {                                                                                              \
        const uint8_t *from = update;                                                              \
        int32_t first = 0;                                                                         \
        int32_t rows = 1;                                                                          \
        for (int32_t axis = 0; axis < rank; axis++) {                                              \
            first = first * shape[axis] + tinyc_nearest(starts[axis], shape[axis] - part[axis]);   \
            rows *= axis < rank - 1 ? part[axis] : 1;                                              \
        }                                                                                          \
        const int32_t row_bytes = part[rank - 1] * bytes;                                          \
        for (int32_t row = 0; row < rows; row++, from += row_bytes) {                              \
            int32_t at = first;                                                                    \
            int32_t rest = row;                                                                    \
            int32_t stride = shape[rank - 1];                                                      \
            for (int32_t axis = rank - 2; axis >= 0; axis--) {                                     \
                at += rest % part[axis] * stride;                                                  \
                rest /= part[axis];                                                                \
                stride *= shape[axis];                                                             \
            }                                                                                      \
            memcpy((uint8_t *)out + at * bytes, from, (size_t)row_bytes);                          \
        }                                                                                          \
    }

TINYC_UPDATE_SLICE(tinyc_update_slice_s32, int32_t)
TINYC_UPDATE_SLICE(tinyc_update_slice_s64, int64_t)

#endif
