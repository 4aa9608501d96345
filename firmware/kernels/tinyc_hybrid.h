/* float32 numbers as int8 of the range that they reach, as TensorFlow Lite's dynamic-range
 * quantization takes them (see tinyc/ops/_hybrid.py): x ~ (q - zero) times what is returned. */
#ifndef TINYC_HYBRID_H
#define TINYC_HYBRID_H

#include "tinyc_clamp_f32.h"
#include "tinyc_quantize.h"
#include "tinyc_requant.h"

/* -127 .. 127, zero = 0. */
TINYC_SHARED static float tinyc_quantize_symmetric(const float *x, int8_t *q, int32_t count,
                                                   int32_t *zero)
{
    float range = 0.0f;

    for (int32_t i = 0; i < count; i++) {
        const float size = x[i] < 0.0f ? -x[i] : x[i];
        range = size > range ? size : range;
    }
    *zero = 0;
    if (range == 0.0f) {
        memset(q, 0, (size_t)count);
        return 1.0f;
    }
    const float inverse = 127.0f / range;
    for (int32_t i = 0; i < count; i++) {
        q[i] = (int8_t)tinyc_clamp(tinyc_quantize(x[i] * inverse, 1.0f), -127, 127);
    }
    return range / 127.0f;
}

/* -128 .. 127 over the range stretched to hold 0. */
TINYC_SHARED static float tinyc_quantize_asymmetric(const float *x, int8_t *q, int32_t count,
                                                    int32_t *zero)
{
    float least = 0.0f;
    float most = 0.0f;

    for (int32_t i = 0; i < count; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    *zero = 0;
    if (least == most) {
        memset(q, 0, (size_t)count);
        return 1.0f;
    }
    const double scale = (double)(most - least) / 255.0;
    const double below = (double)least / scale;
    const double above = (double)most / scale;
    /* From the end whose numbers are smaller: it is the more exact one. */
    const double place = 128.0 - below < 127.0 + above ? -128.0 - below : 127.0 - above;
    if (place >= 127.0) {
        *zero = 127;
    } else if (place > -128.0) {
        *zero = (int32_t)(place < 0.0 ? place - 0.5 : place + 0.5);
    } else {
        *zero = -128;
    }
    const float inverse = 1.0f / (float)scale;
    for (int32_t i = 0; i < count; i++) {
        const float at = (float)*zero + x[i] * inverse;
        q[i] = (int8_t)tinyc_clamp(tinyc_quantize(at, 1.0f), -128, 127);
    }
    return (float)scale;
}

TINYC_INLINE float tinyc_quantize_input(const float *x, int8_t *q, int32_t count, int asymmetric,
                                        int32_t *zero)
{
    return asymmetric ? tinyc_quantize_asymmetric(x, q, count, zero)
                      : tinyc_quantize_symmetric(x, q, count, zero);
}

/* How the sums of a hybrid layer become float32: by the scale of the input's numbers times that of
 * the weights, which is one or that of each channel; and in which order these are multiplied. */
enum tinyc_scaling { TINYC_ONE_SCALE, TINYC_WEIGHTS_FIRST, TINYC_INPUT_FIRST };

/* The floats of a channel in its table: the scale of its weights if each has one, and its bias. */
TINYC_INLINE int32_t tinyc_hybrid_words(enum tinyc_scaling scaling)
{
    return scaling == TINYC_ONE_SCALE ? 1 : 2;
}

/* An output; scale: of the input's numbers, times the one of the weights if there is one. */
TINYC_INLINE float tinyc_hybrid_output(int32_t sum, enum tinyc_scaling scaling, float scale,
                                       const float *channel, float low, float high)
{
    float y;
    if (scaling == TINYC_ONE_SCALE) {
        y = (float)sum * scale + channel[0];
    } else if (scaling == TINYC_WEIGHTS_FIRST) {
        y = (float)sum * channel[0] * scale + channel[1];
    } else {
        y = (float)sum * (scale * channel[0]) + channel[1];
    }
    return tinyc_clamp_f32(y, low, high);
}

#endif
