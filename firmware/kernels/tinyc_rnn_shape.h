/* The steps of an RNN over sequences. */
#ifndef TINYC_RNN_SHAPE_H
#define TINYC_RNN_SHAPE_H

#include "tinyc_cell_curve_f32.h"

/* depth: inputs of a step; cells: its outputs; between: steps in memory from one of a sequence to
 * its next; apart: from a sequence to that of the next batch. */
struct tinyc_rnn {
    int32_t batches, time, depth, cells;
    int32_t between, apart;
    enum tinyc_curve curve;
};

/* The function `name`, which goes by `step` through each sequence; numbers: the struct of what
 * `step` computes with. From the hidden numbers of before to those after, which may lie at the same
 * place. */
#define TINYC_DEFINE_RNN(name, numbers, step)                                                    \
    TINYC_INLINE void name(const float *in, const float *hidden, float *out, float *hidden_next, \
                           const struct tinyc_rnn *rnn, const struct numbers *with)              \
    {                                                                                            \
        const int32_t cells = rnn->cells;                                                        \
                                                                                                 \
        for (int32_t b = 0; b < rnn->batches; b++) {                                             \
            const float *h = hidden + b * cells;                                                 \
                                                                                                 \
            for (int32_t t = 0; t < rnn->time; t++) {                                            \
                const int32_t at = b * rnn->apart + t * rnn->between;                            \
                float *const y = out + at * cells;                                               \
                step(in + at * rnn->depth, h, y, rnn, with);                                     \
                h = y;                                                                           \
            }                                                                                    \
            memcpy(hidden_next + b * cells, h, (size_t)cells * sizeof *h);                       \
        }                                                                                        \
    }

#endif
