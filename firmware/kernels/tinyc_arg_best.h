/* Where the greatest or the least of `count` numbers stands that lie `step` apart: the first of
 * equal ones. */
#ifndef TINYC_ARG_BEST_H
#define TINYC_ARG_BEST_H

#include "tinyc_base.h"

/* better: whether `x` comes before `best`. */
#define TINYC_ARG_BEST(name, type, better)                                      \
    TINYC_INLINE int32_t name(const type *numbers, int32_t count, int32_t step) \
    {                                                                           \
        type best = *numbers;                                                   \
        int32_t at = 0;                                                         \
        for (int32_t i = 1; i < count; i++) {                                   \
            numbers += step;                                                    \
            const type x = *numbers;                                            \
            if (better) {                                                       \
                best = x;                                                       \
                at = i;                                                         \
            }                                                                   \
        }                                                                       \
        return at;                                                              \
    }

TINYC_ARG_BEST(tinyc_arg_max_s8, int8_t, x > best)
TINYC_ARG_BEST(tinyc_arg_min_s8, int8_t, x < best)
TINYC_ARG_BEST(tinyc_arg_max_u8, uint8_t, x > best)
TINYC_ARG_BEST(tinyc_arg_min_u8, uint8_t, x < best)
TINYC_ARG_BEST(tinyc_arg_max_s16, int16_t, x > best)
TINYC_ARG_BEST(tinyc_arg_min_s16, int16_t, x < best)
TINYC_ARG_BEST(tinyc_arg_max_s32, int32_t, x > best)
TINYC_ARG_BEST(tinyc_arg_min_s32, int32_t, x < best)

#endif
