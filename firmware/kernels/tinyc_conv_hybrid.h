/* Convolutions of float32 inputs with int8 weights. */
#ifndef TINYC_CONV_HYBRID_H
#define TINYC_CONV_HYBRID_H

#include "tinyc_hybrid.h"
#include "tinyc_integers.h"
#include "tinyc_window.h"

/* A table of channels, see tinyc_hybrid.h, and the scale of the image at hand. */
struct tinyc_scaled {
    const float *channels;
    float scale;
};

TINYC_INLINE void tinyc_store_hybrid(void *out, int32_t at, int64_t sum, const void *table,
                                     int32_t channel, const struct tinyc_integers *how,
                                     int32_t zero_point, int32_t low, int32_t high)
{
    const struct tinyc_scaled *const scaled = table;
    const enum tinyc_scaling scaling = (enum tinyc_scaling)how->scaling;
    const float *const entry = scaled->channels + tinyc_hybrid_words(scaling) * channel;
    (void)zero_point;
    (void)low;
    (void)high;
    ((float *)out)[at] =
        tinyc_hybrid_output((int32_t)sum, scaling, scaled->scale, entry, how->least, how->most);
}

/* The images one after another as int8 numbers of their own ranges, which lie in `scratch`; each is
 * a batch of its own for `convolve`. */
TINYC_INLINE void tinyc_conv_hybrid(const float *in, float *out, int8_t *scratch,
                                    const int8_t *weights, const float *channels,
                                    const struct tinyc_window *w, const struct tinyc_integers *how,
                                    tinyc_convolution *convolve, int32_t images, int asymmetric,
                                    float weight_scale)
{
    const int32_t size = w->in_h * w->in_w * w->in_c;

    for (int32_t n = 0; n < images; n++, in += size, out += w->out_h * w->out_w * w->out_c) {
        int32_t zero;
        const float range = tinyc_quantize_input(in, scratch, size, asymmetric, &zero);
        const float scale = how->scaling == TINYC_ONE_SCALE ? weight_scale * range : range;
        const struct tinyc_scaled table = {channels, scale};
        convolve(scratch, out, weights, &table, w, how, zero, 0, 0, 0);
    }
}

#endif
