/* Whether the greatest of `count` scores is at least `least`. */
#ifndef TINYC_REACHES_H
#define TINYC_REACHES_H

#include "tinyc_base.h"

#define TINYC_REACHES(name, type)                                               \
    TINYC_INLINE uint8_t name(const type *scores, int32_t count, int32_t least) \
    {                                                                           \
        int32_t greatest = scores[0];                                           \
        for (int32_t i = 1; i < count; i++) {                                   \
            greatest = scores[i] > greatest ? scores[i] : greatest;             \
        }                                                                       \
        return greatest >= least ? 1 : 0;                                       \
    }

TINYC_REACHES(tinyc_reaches_s8, int8_t)
TINYC_REACHES(tinyc_reaches_u8, uint8_t)
TINYC_REACHES(tinyc_reaches_s16, int16_t)

#endif
