/* Samples that outlive a run, and frames of them (see tinyc/ops/signal_frames.py). */
#ifndef TINYC_FRAMES_H
#define TINYC_FRAMES_H

#include "tinyc_requant.h"

/* Give the first `size` of the `held` samples and the `step` new ones behind them, and hold the
 * last; `next` may lie where `old` does; held + step >= size. */
TINYC_INLINE void tinyc_slide(const int16_t *in, const int16_t *old, int16_t *out, int16_t *next,
                              int32_t size, int32_t held, int32_t step)
{
    const int32_t early = size < held ? size : held;
    const int32_t stays = held > step ? held - step : 0;
    const int32_t comes = held - stays;
    memcpy(out, old, (size_t)early * sizeof(*out));
    memcpy(out + early, in, (size_t)(size - early) * sizeof(*out));
    memmove(next, old + held - stays, (size_t)stays * sizeof(*next));
    memcpy(next + stays, in + step - comes, (size_t)comes * sizeof(*next));
}

/* The same in `rows` of `steps` each. */
TINYC_INLINE void tinyc_delay(const int16_t *in, const int16_t *old, int16_t *out, int16_t *next,
                              int32_t rows, int32_t steps, int32_t size, int32_t held, int32_t step)
{
    for (int32_t row = 0; row < rows; row++, old += held, next += held) {
        const int16_t *before = old;
        for (int32_t i = 0; i < steps; i++, in += step, out += size) {
            tinyc_slide(in, before, out, next, size, held, step);
            before = next;
        }
    }
}

/* Behind what is held: for how many frames there are not samples enough. */
TINYC_INLINE void tinyc_framer(const int16_t *in, const int16_t *old, int16_t *out, uint8_t *valid,
                               int16_t *next, int32_t rows, int32_t steps, int32_t size,
                               int32_t held, int32_t step)
{
    const int32_t missing = old[rows * held];
    tinyc_delay(in, old, out, next, rows, steps, size, held, step);
    *valid = missing <= 0;
    next[rows * held] = (int16_t)(missing > steps ? missing - steps : 0);
}

/* Behind what is held: how many frames follow until the next valid ones; below 0 before the first
 * frame, which stands for those before it. */
TINYC_INLINE void tinyc_stacker(const int16_t *in, const int16_t *old, int16_t *out, uint8_t *valid,
                                int16_t *next, int32_t channels, int32_t frames, int32_t step)
{
    const int32_t held = frames * channels;
    int32_t missing = old[held];
    const int32_t starts = missing < 0;
    if (starts) {
        missing = -missing - 1;
        for (int32_t i = 0; i < frames; i++) {
            memcpy(next + i * channels, in, (size_t)channels * sizeof(*next));
        }
    }
    tinyc_slide(in, starts ? next : old, out, next, held + channels, held, channels);
    *valid = missing == 0;
    next[held] = (int16_t)(missing == 0 ? step - 1 : missing - 1);
}

TINYC_INLINE int16_t tinyc_overlap_s16(int16_t x, int16_t y)
{
    return (int16_t)tinyc_clamp(x + y, INT16_MIN, INT16_MAX);
}

/* Add up frames of `size` that follow each other after `step`; left: what they leave to the next
 * ones, which may lie where it was. */
#define TINYC_OVERLAP_ADD(name, type, add)                                                       \
    TINYC_INLINE void name(const type *in, const type *old, type *out, type *left, int32_t rows, \
                           int32_t frames, int32_t size, int32_t step)                           \
    {                                                                                            \
        for (int32_t row = 0; row < rows; row++, old += size, left += size) {                    \
            const type *before = old;                                                            \
            for (int32_t frame = 0; frame < frames; frame++, in += size, out += step) {          \
                for (int32_t i = 0; i < step; i++) {                                             \
                    out[i] = add(in[i], before[i]);                                              \
                }                                                                                \
                for (int32_t i = step; i < size; i++) {                                          \
                    left[i - step] = add(in[i], before[i]);                                      \
                }                                                                                \
                memset(left + size - step, 0, (size_t)step * sizeof(*left));                     \
                before = left;                                                                   \
            }                                                                                    \
        }                                                                                        \
    }

TINYC_OVERLAP_ADD(tinyc_overlap_add_s16, int16_t, tinyc_overlap_s16)

#endif
