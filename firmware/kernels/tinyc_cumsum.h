/* The sums of an axis's elements up to each of them. */
#ifndef TINYC_CUMSUM_H
#define TINYC_CUMSUM_H

#include "tinyc_base.h"

/* Of [outer, count, inner] along the second axis. exclusive: an element is not part of its own sum;
 * reverse: the sums start at the end; next: a `sum` and one more `x`. */
#define TINYC_CUMSUM(name, type, next)                                                             \
    TINYC_INLINE void name(const type *in, type *out, int32_t outer, int32_t count, int32_t inner, \
                           int exclusive, int reverse)                                             \
    {                                                                                              \
        for (int32_t o = 0; o < outer; o++, in += count * inner, out += count * inner) {           \
            for (int32_t i = 0; i < inner; i++) {                                                  \
                type sum = 0;                                                                      \
                for (int32_t k = 0; k < count; k++) {                                              \
                    const int32_t at = (reverse ? count - 1 - k : k) * inner + i;                  \
                    const type x = in[at];                                                         \
                    const type up_to_x = next;                                                     \
                    out[at] = exclusive ? sum : up_to_x;                                           \
                    sum = up_to_x;                                                                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

/* Those of integers wrap around. */
TINYC_CUMSUM(tinyc_cumsum_s32, int32_t, (int32_t)((uint32_t)sum + (uint32_t)x))
TINYC_CUMSUM(tinyc_cumsum_s64, int64_t, (int64_t)((uint64_t)sum + (uint64_t)x))

#endif
