/* Softmax of int16, exact with TFLite's reference kernel: exp and 1 / x are interpolated (see
 * tinyc/ops/softmax.py). */
#ifndef TINYC_SOFTMAX16_H
#define TINYC_SOFTMAX16_H

#include "tinyc_interpolate16.h"

/* exponential: exp from -10 to 0; inverse: 1 / x from 1 to 2; multiplier and shift: from a distance
 * of two inputs to the place of it. `out` may be `in`. */
TINYC_INLINE void tinyc_softmax_s16(const int16_t *in, int16_t *out, const int16_t *exponential,
                                    const int16_t *inverse, int32_t rows, int32_t depth,
                                    int32_t multiplier, int32_t shift)
{
    for (int32_t row = 0; row < rows; row++, in += depth, out += depth) {
        int32_t greatest = in[0];
        for (int32_t i = 1; i < depth; i++) {
            greatest = in[i] > greatest ? in[i] : greatest;
        }

        int32_t sum = 0;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t step = tinyc_requant2(in[i] - greatest, multiplier, shift);
            const int32_t power = tinyc_interpolate16(step + 32767, exponential);
            out[i] = (int16_t)power;
            sum += power;
        }

        int32_t zeros = 1;
        while (((uint32_t)sum << zeros) < 0x80000000U) {
            zeros++;
        }
        /* the sum's leading bits, in [1, 2), less one */
        const int32_t fraction = (int32_t)((((int64_t)sum << (zeros - 1)) + 8192) >> 14) - 98304;
        const int32_t factor = tinyc_interpolate16(fraction, inverse);
        const int32_t right = 31 - zeros;
        for (int32_t i = 0; i < depth; i++) {
            const int32_t y = (out[i] * factor + ((int32_t)1 << (right - 1))) >> right;
            out[i] = (int16_t)tinyc_clamp(y, 0, 32767);
        }
    }
}

#endif
