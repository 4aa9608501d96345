/* LSTM of float32 with int8 weights. */
#ifndef TINYC_LSTM_HYBRID_H
#define TINYC_LSTM_HYBRID_H

#include "tinyc_hybrid_rows.h"
#include "tinyc_lstm_cell_f32.h"

/* weights, recurrent, bias: four gates of a cell together; scratch: for the numbers of x and h,
 * depth + cells of them. */
struct tinyc_lstm_hybrid {
    struct tinyc_rows weights, recurrent;
    const float *bias;
    int8_t *scratch;
    int asymmetric;
    struct tinyc_lstm_cell_f32 cell;
};

TINYC_INLINE void tinyc_lstm_step_hybrid(const float *x, const float *h, const float *c, float *y,
                                         float *c_next, const struct tinyc_lstm *lstm,
                                         const struct tinyc_lstm_hybrid *with)
{
    int8_t *const q = with->scratch;
    const struct tinyc_row row_x = tinyc_row(x, q, lstm->depth, with->asymmetric);
    const struct tinyc_row row_h = tinyc_row(h, q + lstm->depth, lstm->cells, with->asymmetric);
    struct tinyc_rows weights = with->weights;
    struct tinyc_rows recurrent = with->recurrent;
    const float *bias = with->bias;

    for (int32_t cell = 0; cell < lstm->cells; cell++) {
        float gate[4];
        float of_h[4];
        tinyc_next_four(gate, &row_x, &weights);
        tinyc_next_four(of_h, &row_h, &recurrent);
        for (int32_t i = 0; i < 4; i++) {
            gate[i] = *bias++ + gate[i] + of_h[i];
        }
        y[cell] = tinyc_lstm_cell_f32(gate, c[cell], &c_next[cell], lstm->coupled, &with->cell);
    }
}

TINYC_DEFINE_LSTM(tinyc_lstm_hybrid, float, float, tinyc_lstm_hybrid, tinyc_lstm_step_hybrid)

#endif
