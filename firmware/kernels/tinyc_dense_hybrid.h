/* Fully connected layers of float32 inputs and int8 weights, four channels at a time.
 * weights: as `sums` reads them; totals: of the weights of each channel; table: see tinyc_hybrid.h.
 */
#ifndef TINYC_DENSE_HYBRID_H
#define TINYC_DENSE_HYBRID_H

#include "tinyc_four_sums.h"
#include "tinyc_hybrid.h"

/* Each row as int8 numbers of its own range, which lie in `scratch`, of `depth` bytes. */
TINYC_INLINE void tinyc_dense_hybrid(const float *in, float *out, int8_t *scratch,
                                     const int8_t *weights, const int32_t *totals,
                                     const float *table, int32_t batches, int32_t depth,
                                     int32_t channels, int asymmetric, enum tinyc_scaling scaling,
                                     float weight_scale, float low, float high,
                                     tinyc_four_sums *sums)
{
    for (int32_t b = 0; b < batches; b++, in += depth) {
        int32_t zero;
        const float range = tinyc_quantize_input(in, scratch, depth, asymmetric, &zero);
        const float scale = scaling == TINYC_ONE_SCALE ? weight_scale * range : range;
        const int8_t *next = weights;
        const int32_t *of_weights = totals;
        const float *channel = table;
        for (int32_t left = channels; left > 0; left -= 4) {
            int32_t acc[4] = {0, 0, 0, 0};
            next = sums(acc, scratch, next, depth);
            for (int32_t i = 0; i < (left < 4 ? left : 4); i++) {
                const int32_t sum = acc[i] - zero * *of_weights++;
                *out++ = tinyc_hybrid_output(sum, scaling, scale, channel, low, high);
                channel += tinyc_hybrid_words(scaling);
            }
        }
    }
}

#endif
