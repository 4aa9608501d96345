/* RNN of float32 with int8 weights. */
#ifndef TINYC_RNN_HYBRID_H
#define TINYC_RNN_HYBRID_H

#include "tinyc_hybrid_rows.h"
#include "tinyc_rnn_shape.h"

/* weights: of x; recurrent: of h; scratch: for the numbers of x and h, depth + cells of them. */
struct tinyc_rnn_hybrid {
    struct tinyc_rows weights, recurrent;
    const float *bias;
    int8_t *scratch;
    int asymmetric;
};

TINYC_INLINE void tinyc_rnn_step_hybrid(const float *x, const float *h, float *y,
                                        const struct tinyc_rnn *rnn,
                                        const struct tinyc_rnn_hybrid *with)
{
    const int32_t depth = rnn->depth;
    const int32_t cells = rnn->cells;
    const struct tinyc_row row_x = tinyc_row(x, with->scratch, depth, with->asymmetric);
    const struct tinyc_row row_h = tinyc_row(h, with->scratch + depth, cells, with->asymmetric);
    struct tinyc_rows weights = with->weights;
    struct tinyc_rows recurrent = with->recurrent;

    for (int32_t cell = 0; cell < cells; cell += 4) {
        float of_x[4];
        float of_h[4];
        tinyc_next_four(of_x, &row_x, &weights);
        tinyc_next_four(of_h, &row_h, &recurrent);
        for (int32_t i = 0; i < 4 && cell + i < cells; i++) {
            y[cell + i] = tinyc_curve_f32(with->bias[cell + i] + of_x[i] + of_h[i], rnn->curve);
        }
    }
}

TINYC_DEFINE_RNN(tinyc_rnn_hybrid, tinyc_rnn_hybrid, tinyc_rnn_step_hybrid)

#endif
