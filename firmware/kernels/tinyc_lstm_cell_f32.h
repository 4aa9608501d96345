/* What an LSTM of float32 makes of the sums of a cell's gates. */
#ifndef TINYC_LSTM_CELL_F32_H
#define TINYC_LSTM_CELL_F32_H

#include "tinyc_cell_curve_f32.h"
#include "tinyc_curves_f32.h"
#include "tinyc_lstm_shape.h"

/* clip: of the cells, 0 for none. */
struct tinyc_lstm_cell_f32 {
    enum tinyc_curve curve;
    float clip;
};

/* An output, and the cell behind the step, of the cell before it. */
TINYC_INLINE float tinyc_lstm_cell_f32(const float *gate, float before, float *after,
                                       int32_t coupled, const struct tinyc_lstm_cell_f32 *cell)
{
    const float forget = tinyc_logistic_f32(gate[1]);
    const float more = coupled ? 1.0f - forget : tinyc_logistic_f32(gate[0]);
    float now = forget * before + more * tinyc_curve_f32(gate[2], cell->curve);
    if (cell->clip > 0.0f) {
        now = now < cell->clip ? now : cell->clip;
        now = now < -cell->clip ? -cell->clip : now;
    }
    *after = now;
    return tinyc_logistic_f32(gate[3]) * tinyc_curve_f32(now, cell->curve);
}

#endif
