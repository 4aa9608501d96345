/* LSTM of int8 numbers and int16 cells, exact with TFLite's (see tinyc/ops/lstm.py). */
#ifndef TINYC_LSTM_H
#define TINYC_LSTM_H

#include "tinyc_four_sums.h"
#include "tinyc_gates.h"
#include "tinyc_lstm_shape.h"

/* weights, recurrent: of x and of h, the gates of a cell together, as `sums` reads them;
 * bias: four of x and four of h of each cell; scales: multiplier and shift of each gate, of x, then
 * of h; clip: of the cells, 0 for none; cell_bits: integer bits of a cell; multiplier, shift and
 * zero_point: of the outputs. */
struct tinyc_lstm_s8 {
    const int8_t *weights, *recurrent;
    const int32_t *bias, *scales;
    tinyc_four_sums *sums;
    int32_t clip, cell_bits;
    int32_t multiplier, shift, zero_point;
};

/* Gate i of a cell, 0 integer bits, of its sums over x and h. */
TINYC_INLINE int32_t tinyc_gate(int32_t i, int32_t of_x, int32_t of_h, const int32_t *scales)
{
    const int32_t *const scale = scales + 2 * i;
    const int32_t first = tinyc_clamp16(tinyc_requant2_small(of_x, scale[0], scale[1]));
    const int32_t sum = tinyc_clamp16(first + tinyc_requant2_small(of_h, scale[8], scale[9]));
    return i == 2 ? tinyc_gate_tanh3(sum) : tinyc_gate_logistic(sum);
}

TINYC_INLINE void tinyc_lstm_step_s8(const int8_t *x, const int8_t *h, const int16_t *c, int8_t *y,
                                     int16_t *c_next, const struct tinyc_lstm *lstm,
                                     const struct tinyc_lstm_s8 *with)
{
    const int8_t *weights = with->weights;
    const int8_t *recurrent = with->recurrent;
    const int32_t *bias = with->bias;

    for (int32_t cell = 0; cell < lstm->cells; cell++, bias += 8) {
        int32_t of_x[4] = {0, 0, 0, 0};
        int32_t of_h[4] = {0, 0, 0, 0};
        weights = with->sums(of_x, x, weights, lstm->depth);
        recurrent = with->sums(of_h, h, recurrent, lstm->cells);

        int32_t gate[4];
        TINYC_UNROLL(4)
        for (int32_t i = lstm->coupled ? 1 : 0; i < 4; i++) {
            gate[i] = tinyc_gate(i, of_x[i] + bias[i], of_h[i] + bias[4 + i], with->scales);
        }
        if (lstm->coupled) {
            gate[0] = INT16_MAX - gate[1];
        }

        const int32_t kept = tinyc_round_right(gate[1] * c[cell], 15);
        const int32_t more = tinyc_round_right(gate[0] * gate[2], 15 + with->cell_bits);
        const int32_t most = with->clip > 0 ? with->clip : INT16_MAX;
        const int32_t least = with->clip > 0 ? -with->clip : INT16_MIN;
        const int32_t now = tinyc_clamp(kept + more, least, most);
        c_next[cell] = (int16_t)now;
        const int32_t product = gate[3] * tinyc_gate_tanh(now, with->cell_bits);
        const int32_t out = tinyc_requant2_small(product, with->multiplier, with->shift);
        y[cell] = (int8_t)tinyc_clamp(out + with->zero_point, INT8_MIN, INT8_MAX);
    }
}

TINYC_DEFINE_LSTM(tinyc_lstm_s8, int8_t, int16_t, tinyc_lstm_s8, tinyc_lstm_step_s8)

#endif
