#ifndef TINYC_ONE_HOT_H
#define TINYC_ONE_HOT_H

#include "tinyc_base.h"

/* Indices [outer, inner] as [outer, depth, inner]: the second of two `values` of `bytes` where the
 * index is, the first elsewhere. */
#define TINYC_ONE_HOT(name, index)                                                        \
    TINYC_INLINE void name(const index *indices, void *out, int32_t outer, int32_t depth, \
                           int32_t inner, const void *values, int32_t bytes)              \
    {                                                                                     \
        const uint8_t *const off = values;                                                \
        const uint8_t *const on = off + bytes;                                            \
        uint8_t *to = out;                                                                \
        for (int32_t o = 0; o < outer; o++, indices += inner) {                           \
            for (int32_t place = 0; place < depth; place++) {                             \
                for (int32_t i = 0; i < inner; i++, to += bytes) {                        \
                    memcpy(to, indices[i] == place ? on : off, (size_t)bytes);            \
                }                                                                         \
            }                                                                             \
        }                                                                                 \
    }

TINYC_ONE_HOT(tinyc_one_hot_s32, int32_t)
TINYC_ONE_HOT(tinyc_one_hot_s64, int64_t)

#endif
