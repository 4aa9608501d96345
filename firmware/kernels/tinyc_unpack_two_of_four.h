/* Constants that are stored in fewer bytes, where of each four bytes of a run two may be zero, see
 * tinyc/kernels/packed.py. */
#ifndef TINYC_UNPACK_TWO_OF_FOUR_H
#define TINYC_UNPACK_TWO_OF_FOUR_H

#include "tinyc_unpack.h"

enum {
    TINYC_TWO_OF_FOUR = 9,              /* in the place of the low bits */
    TINYC_TWO_OF_FOUR_BITS = 19,        /* of four bytes */
    TINYC_TWO_OF_FOUR_PLACES = 0xed9c84 /* of the first one and the second one, by three bits */
};

TINYC_INLINE const uint8_t *tinyc_unpack_twos(const uint8_t *from, uint8_t *to, int32_t count,
                                              int32_t period)
{
    if (*from != TINYC_TWO_OF_FOUR) {
        return tinyc_unpack_run(from, to, count, period);
    }
    uint8_t *const end = to + count;
    uint32_t at = 8;
    TINYC_UNROLL(1)
    for (; to != end; to += 4 * period) {
        const uint32_t bits = tinyc_bits_at(from, at);
        const uint32_t places = TINYC_TWO_OF_FOUR_PLACES >> (bits >> 29) * 4;
        to[0] = to[period] = to[2 * period] = to[3 * period] = 0;
        to[(int32_t)(places & 3) * period] = (uint8_t)(bits >> 21);
        to[(int32_t)(places >> 2 & 3) * period] = (uint8_t)(bits >> 13);
        at += TINYC_TWO_OF_FOUR_BITS;
    }
    return from + ((at + 7) >> 3);
}

TINYC_SHARED static const uint8_t *tinyc_unpack_two_of_four(const uint8_t *from, uint8_t *to)
{
    return tinyc_unpack_arrays(from, to, tinyc_unpack_twos);
}

#endif
