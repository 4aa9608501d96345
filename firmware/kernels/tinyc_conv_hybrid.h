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

/* An image as int8 numbers of its own range, less *zero each; returns what their sums become. */
TINYC_INLINE struct tinyc_outputs tinyc_take_image(const float *in, int8_t *numbers, int32_t size,
                                                   int asymmetric, int32_t *zero,
                                                   const struct tinyc_integers *how,
                                                   float weight_scale, float low, float high)
{
    const float range = tinyc_quantize_input(in, numbers, size, asymmetric, zero);
    const float scale = how->scaling == TINYC_ONE_SCALE ? weight_scale * range : range;
    const struct tinyc_outputs outputs = {.scale = scale, .least = low, .most = high};

    return outputs;
}

#endif
