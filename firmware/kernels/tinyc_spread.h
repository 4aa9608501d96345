/* Which pixels a transposed convolution brings to an output. */
#ifndef TINYC_SPREAD_H
#define TINYC_SPREAD_H

#include "tinyc_window.h"

/* Along one axis: output `at`, of those before anything is cut off, is made of pixels `first` up
 * to, not including, `end`, pixel i by tap at - i * stride. */
struct tinyc_spread {
    int32_t at, first, end;
};

TINYC_INLINE struct tinyc_spread tinyc_spread(int32_t at, int32_t taps, int32_t stride,
                                              int32_t size)
{
    const int32_t end = at / stride + 1;
    const struct tinyc_spread found = {
        at,
        at < taps ? 0 : (at - taps) / stride + 1,
        end < size ? end : size,
    };
    return found;
}

/* Those of the outputs' row `oy` and of their column `ox`. */
TINYC_INLINE struct tinyc_spread tinyc_spread_y(const struct tinyc_window *w, int32_t oy)
{
    return tinyc_spread(oy + w->padding.top, w->kernel.h, w->stride.h, w->in.h);
}

TINYC_INLINE struct tinyc_spread tinyc_spread_x(const struct tinyc_window *w, int32_t ox)
{
    return tinyc_spread(ox + w->padding.left, w->kernel.w, w->stride.w, w->in.w);
}

#endif
