/* RNN of float32. */
#ifndef TINYC_RNN_F32_H
#define TINYC_RNN_F32_H

#include "tinyc_cell_curve_f32.h"
#include "tinyc_dot_f32.h"

/* depth: inputs of a step; cells: its outputs; between: steps in memory from one of a sequence to
 * its next; apart: from a sequence to that of the next batch. */
struct tinyc_rnn {
    int32_t batches, time, depth, cells;
    int32_t between, apart;
    enum tinyc_curve curve;
};

/* weights: of x, [cell][depth]; recurrent: of h, [cell][cell]. From the hidden numbers of before to
 * those after, which may lie at the same place. */
TINYC_INLINE void tinyc_rnn_f32(const float *in, const float *hidden, float *out,
                                float *hidden_next, const float *weights, const float *recurrent,
                                const float *bias, const struct tinyc_rnn *rnn)
{
    const int32_t depth = rnn->depth;
    const int32_t cells = rnn->cells;

    for (int32_t b = 0; b < rnn->batches; b++) {
        const float *h = hidden + b * cells;

        for (int32_t t = 0; t < rnn->time; t++) {
            const int32_t at = b * rnn->apart + t * rnn->between;
            const float *const x = in + at * depth;
            float *const y = out + at * cells;
            for (int32_t cell = 0; cell < cells; cell++) {
                const float of_x = tinyc_dot_f32(0.0f, x, weights + cell * depth, depth);
                const float of_h = tinyc_dot_f32(0.0f, h, recurrent + cell * cells, cells);
                y[cell] = tinyc_curve_f32(bias[cell] + of_x + of_h, rnn->curve);
            }
            h = y;
        }
        memcpy(hidden_next + b * cells, h, (size_t)cells * sizeof *h);
    }
}

#endif
