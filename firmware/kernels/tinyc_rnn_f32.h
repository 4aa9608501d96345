/* RNN of float32. */
#ifndef TINYC_RNN_F32_H
#define TINYC_RNN_F32_H

#include "tinyc_dot_f32.h"
#include "tinyc_rnn_shape.h"

/* weights: of x, [cell][depth]; recurrent: of h, [cell][cell]. */
struct tinyc_rnn_f32 {
    const float *weights, *recurrent, *bias;
};

TINYC_INLINE void tinyc_rnn_step_f32(const float *x, const float *h, float *y,
                                     const struct tinyc_rnn *rnn, const struct tinyc_rnn_f32 *with)
{
    const int32_t depth = rnn->depth;
    const int32_t cells = rnn->cells;

    for (int32_t cell = 0; cell < cells; cell++) {
        const float of_x = tinyc_dot_f32(0.0f, x, with->weights + cell * depth, depth);
        const float of_h = tinyc_dot_f32(0.0f, h, with->recurrent + cell * cells, cells);
        y[cell] = tinyc_curve_f32(with->bias[cell] + of_x + of_h, rnn->curve);
    }
}

TINYC_DEFINE_RNN(tinyc_rnn_f32, tinyc_rnn_f32, tinyc_rnn_step_f32)

#endif
