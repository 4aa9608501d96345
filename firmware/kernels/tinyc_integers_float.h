/* The outputs of int8 layers whose sums are multiplied by a float32. */
#ifndef TINYC_INTEGERS_FLOAT_H
#define TINYC_INTEGERS_FLOAT_H

#include "tinyc_float_scale.h"
#include "tinyc_integers.h"

/* int8. entry: bias, and what tinyc_scaled takes. */
TINYC_HANDED void tinyc_store_s8_float(void *out, int64_t sum, const void *entry,
                                       const struct tinyc_integers *how,
                                       const struct tinyc_outputs *outputs)
{
    const int32_t *const channel = entry;
    const int32_t y =
        tinyc_scaled(tinyc_add_bias((int32_t)sum, channel[0]), channel[1], channel[2]);
    (void)how;
    *(int8_t *)out =
        (int8_t)tinyc_clamp_offset(y, outputs->zero_point, outputs->low, outputs->high);
}

#endif
