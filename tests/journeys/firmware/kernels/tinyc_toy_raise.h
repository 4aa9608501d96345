#ifndef TINYC_TOY_RAISE_H
#define TINYC_TOY_RAISE_H

#include "tinyc_base.h"

/* out[i] = in[i] + by, at most 127; in and out may be the same */
static inline void tinyc_toy_raise_s8(const int8_t *in, int8_t *out, int32_t count, int32_t by)
{
    for (int32_t i = 0; i < count; i++) {
        const int32_t sum = in[i] + by;
        out[i] = (int8_t)(sum < 127 ? sum : 127);
    }
}

#endif /* TINYC_TOY_RAISE_H */
