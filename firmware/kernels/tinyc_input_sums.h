/* Sums of inputs. */
#ifndef TINYC_INPUT_SUMS_H
#define TINYC_INPUT_SUMS_H

#include "tinyc_dsp.h"

/* Of `size` bytes, a multiple of four. USADA8 adds up unsigned bytes, 128 more each than the signed
 * ones that they are made of. */
TINYC_INLINE int32_t tinyc_sum_of_bytes(const int8_t *in, int32_t size)
{
    int32_t sum = -128 * size;

    TINYC_UNROLL(4)
    for (int32_t i = 0; i < size; i += 4) {
        sum = tinyc_usada8(tinyc_load4(in + i) ^ 0x80808080U, 0, sum);
    }
    return sum;
}

#endif
