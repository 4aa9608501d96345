/* The greatest elements of each row, and where they stand. */
#ifndef TINYC_TOP_K_H
#define TINYC_TOP_K_H

#include "tinyc_base.h"

/* Of [rows, count] the `k` that come first, in their order; of equal ones the first. before:
 * whether `x` comes before `other`, which stands to its left. */
#define TINYC_TOP_K(name, type, before)                                                    \
    TINYC_INLINE void name(const type *in, type *values, int32_t *indices, int32_t rows,   \
                           int32_t count, int32_t k)                                       \
    {                                                                                      \
        for (int32_t row = 0; row < rows; row++, in += count, values += k, indices += k) { \
            for (int32_t i = 0; i < count; i++) {                                          \
                const type x = in[i];                                                      \
                int32_t place = i < k ? i : k;                                             \
                while (place > 0) {                                                        \
                    const type other = values[place - 1];                                  \
                    if (!(before)) {                                                       \
                        break;                                                             \
                    }                                                                      \
                    place--;                                                               \
                    if (place + 1 < k) {                                                   \
                        values[place + 1] = other;                                         \
                        indices[place + 1] = indices[place];                               \
                    }                                                                      \
                }                                                                          \
                if (place < k) {                                                           \
                    values[place] = x;                                                     \
                    indices[place] = i;                                                    \
                }                                                                          \
            }                                                                              \
        }                                                                                  \
    }

TINYC_TOP_K(tinyc_top_k_s8, int8_t, x > other)
TINYC_TOP_K(tinyc_top_k_u8, uint8_t, x > other)
TINYC_TOP_K(tinyc_top_k_s16, int16_t, x > other)
TINYC_TOP_K(tinyc_top_k_s32, int32_t, x > other)
TINYC_TOP_K(tinyc_top_k_s64, int64_t, x > other)

#endif
