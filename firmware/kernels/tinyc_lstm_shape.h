/* The steps of an LSTM over sequences. */
#ifndef TINYC_LSTM_SHAPE_H
#define TINYC_LSTM_SHAPE_H

#include "tinyc_base.h"

/* depth: inputs of a step; cells: its outputs; between: steps in memory from one of a sequence to
 * its next; apart: from a sequence to that of the next batch; coupled: there is no input gate, it
 * is one less the forget gate. */
struct tinyc_lstm {
    int32_t batches, time, depth, cells;
    int32_t between, apart;
    int32_t coupled;
};

/* The function `name` of numbers of the type `element` and cells of the type `state`, which goes
 * by `step` through each sequence; numbers: the struct of what `step` computes with. From the
 * hidden numbers and cells of before to those after. */
#define TINYC_DEFINE_LSTM(name, element, state, numbers, step)                           \
    TINYC_INLINE void name(const element *in, const element *hidden, const state *cells, \
                           element *out, element *hidden_next, state *cells_next,        \
                           const struct tinyc_lstm *lstm, const struct numbers *with)    \
    {                                                                                    \
        for (int32_t b = 0; b < lstm->batches; b++) {                                    \
            const element *h = hidden + b * lstm->cells;                                 \
            const state *c = cells + b * lstm->cells;                                    \
            state *const c_next = cells_next + b * lstm->cells;                          \
                                                                                         \
            for (int32_t t = 0; t < lstm->time; t++) {                                   \
                const int32_t at = b * lstm->apart + t * lstm->between;                  \
                element *const y = out + at * lstm->cells;                               \
                step(in + at * lstm->depth, h, c, y, c_next, lstm, with);                \
                h = y;                                                                   \
                c = c_next;                                                              \
            }                                                                            \
            memcpy(hidden_next + b * lstm->cells, h, (size_t)lstm->cells * sizeof *h);   \
        }                                                                                \
    }

#endif
