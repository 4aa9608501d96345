/* Convolutions of float32 inputs with int8 weights. */
#ifndef TINYC_CONV_HYBRID_H
#define TINYC_CONV_HYBRID_H

#include "tinyc_hybrid.h"
#include "tinyc_integers.h"
#include "tinyc_window.h"

/* entry: see tinyc_hybrid.h. */
TINYC_HANDED void tinyc_store_hybrid(void *out, int64_t sum, const void *entry,
                                     const struct tinyc_integers *how,
                                     const struct tinyc_outputs *outputs)
{
    const enum tinyc_scaling scaling = (enum tinyc_scaling)how->scaling;
    *(float *)out = tinyc_hybrid_output((int32_t)sum, scaling, outputs->scale, entry,
                                        outputs->least, outputs->most);
}

/* The images one after another as int8 numbers of their own ranges, which lie in `scratch`; each is
 * a batch of its own for `convolve`. */
TINYC_INLINE void tinyc_conv_hybrid(const float *in, float *out, int8_t *scratch,
                                    const int8_t *weights, const float *table,
                                    const struct tinyc_window *w, const struct tinyc_integers *how,
                                    tinyc_convolution *convolve, int32_t images, int asymmetric,
                                    float weight_scale, float low, float high)
{
    const int32_t size = w->in.h * w->in.w * w->in.c;

    for (int32_t n = 0; n < images; n++, in += size, out += w->out.h * w->out.w * w->out.c) {
        int32_t zero;
        const float range = tinyc_quantize_input(in, scratch, size, asymmetric, &zero);
        const float scale = how->scaling == TINYC_ONE_SCALE ? weight_scale * range : range;
        const struct tinyc_outputs outputs = {.scale = scale, .least = low, .most = high};
        convolve(scratch, out, weights, table, w, how, zero, &outputs);
    }
}

#endif
