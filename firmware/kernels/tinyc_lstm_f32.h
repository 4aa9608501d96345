/* LSTM of float32. */
#ifndef TINYC_LSTM_F32_H
#define TINYC_LSTM_F32_H

#include "tinyc_dot_f32.h"
#include "tinyc_lstm_cell_f32.h"

/* weights, recurrent, bias: the gates of a cell together. */
struct tinyc_lstm_f32 {
    const float *weights, *recurrent, *bias;
    struct tinyc_lstm_cell_f32 cell;
};

TINYC_INLINE void tinyc_lstm_step_f32(const float *x, const float *h, const float *c, float *y,
                                      float *c_next, const struct tinyc_lstm *lstm,
                                      const struct tinyc_lstm_f32 *with)
{
    const float *weights = with->weights;
    const float *recurrent = with->recurrent;
    const float *bias = with->bias;

    for (int32_t cell = 0; cell < lstm->cells; cell++) {
        float gate[4];
        for (int32_t i = lstm->coupled ? 1 : 0; i < 4; i++) {
            const float of_x = tinyc_dot_f32(0.0f, x, weights, lstm->depth);
            gate[i] = tinyc_dot_f32(of_x, h, recurrent, lstm->cells) + *bias++;
            weights += lstm->depth;
            recurrent += lstm->cells;
        }
        y[cell] = tinyc_lstm_cell_f32(gate, c[cell], &c_next[cell], lstm->coupled, &with->cell);
    }
}

TINYC_DEFINE_LSTM(tinyc_lstm_f32, float, float, tinyc_lstm_f32, tinyc_lstm_step_f32)

#endif
