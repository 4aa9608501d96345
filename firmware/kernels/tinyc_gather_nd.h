/* Slices at computed places of a tensor's first axes. */
#ifndef TINYC_GATHER_ND_H
#define TINYC_GATHER_ND_H

#include "tinyc_nearest.h"

/* count: slices of `bytes`; depth: indices of each, one of each of the axes of `extents`. */
#define TINYC_GATHER_ND(name, index)                                                          \
    TINYC_INLINE void name(const void *in, const index *indices, void *out, int32_t count,    \
                           int32_t depth, const int32_t *extents, int32_t bytes)              \
    {                                                                                         \
        const uint8_t *const from = in;                                                       \
        uint8_t *to = out;                                                                    \
        for (int32_t i = 0; i < count; i++, to += bytes) {                                    \
            int32_t slice = 0;                                                                \
            for (int32_t axis = 0; axis < depth; axis++) {                                    \
                slice = slice * extents[axis] + tinyc_nearest(*indices++, extents[axis] - 1); \
            }                                                                                 \
            memcpy(to, from + slice * bytes, (size_t)bytes);                                  \
        }                                                                                     \
    }

TINYC_GATHER_ND(tinyc_gather_nd_s32, int32_t)
TINYC_GATHER_ND(tinyc_gather_nd_s64, int64_t)

#endif
