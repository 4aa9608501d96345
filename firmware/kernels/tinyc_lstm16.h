/* LSTM of int16 numbers and cells, exact with TensorFlow Lite Micro's (see tinyc/ops/lstm16.py). */
#ifndef TINYC_LSTM16_H
#define TINYC_LSTM16_H

#include "tinyc_curves16.h"
#include "tinyc_lstm_shape.h"
#include "tinyc_sum16.h"

/* Adds four sums up: acc[i] = sum of x[k] * w[i][k]; returns the next weights. */
typedef const int8_t *tinyc_four_sums16(int32_t *acc, const int16_t *x, const int8_t *weights,
                                        int32_t depth);

/* weights, recurrent: of x and of h, the gates of a cell together, as `sums` reads them;
 * gates: bias, multiplier and right shift as of tinyc_high16, of each gate of a cell over x;
 * scales: the same over h, of every cell; logistic: see tinyc_curves16.h; kept, more, out: of f c,
 * i g and o tanh(c), as of tinyc_requant2; cell_multiplier, cell_shift: of a cell's tanh. */
struct tinyc_lstm_s16 {
    const int8_t *weights, *recurrent;
    const int32_t *gates, *scales;
    const uint16_t *logistic;
    tinyc_four_sums16 *sums;
    int32_t clip;
    int32_t kept[2], more[2], out[2];
    int32_t cell_multiplier, cell_shift;
};

TINYC_INLINE int32_t tinyc_clamp_s16(int32_t x)
{
    return tinyc_clamp(x, INT16_MIN, INT16_MAX);
}

TINYC_INLINE void tinyc_lstm_step_s16(const int16_t *x, const int16_t *h, const int16_t *c,
                                      int16_t *y, int16_t *c_next, const struct tinyc_lstm *lstm,
                                      const struct tinyc_lstm_s16 *with)
{
    const int8_t *weights = with->weights;
    const int8_t *recurrent = with->recurrent;
    const int32_t *channel = with->gates;

    for (int32_t cell = 0; cell < lstm->cells; cell++) {
        int32_t of_x[4];
        int32_t of_h[4];
        weights = with->sums(of_x, x, weights, lstm->depth);
        recurrent = with->sums(of_h, h, recurrent, lstm->cells);

        int32_t gate[4];
        for (int32_t i = 0; i < 4; i++, channel += 3) {
            const int32_t first = tinyc_clamp_s16(tinyc_high16(of_x[i], channel));
            const int32_t second = tinyc_clamp_s16(tinyc_high16(of_h[i], with->scales + 3 * i));
            const int32_t sum = tinyc_clamp_s16(first + second);
            gate[i] = i == 2 ? tinyc_tanh16(with->logistic, 3 * sum)
                             : tinyc_logistic16(with->logistic, 3 * sum);
        }

        const int32_t kept = tinyc_requant2_small(gate[1] * c[cell], with->kept[0], with->kept[1]);
        const int32_t more = tinyc_requant2_small(gate[0] * gate[2], with->more[0], with->more[1]);
        int32_t now = tinyc_clamp_s16(tinyc_clamp_s16(kept) + tinyc_clamp_s16(more));
        if (with->clip > 0) {
            now = tinyc_clamp(now, -with->clip, with->clip);
        }
        c_next[cell] = (int16_t)now;
        const int32_t shown =
            tinyc_tanh_s16(now, with->logistic, with->cell_multiplier, with->cell_shift);
        const int32_t out = tinyc_requant2_small(gate[3] * shown, with->out[0], with->out[1]);
        y[cell] = (int16_t)tinyc_clamp_s16(out);
    }
}

TINYC_DEFINE_LSTM(tinyc_lstm_s16, int16_t, int16_t, tinyc_lstm_s16, tinyc_lstm_step_s16)

#endif
