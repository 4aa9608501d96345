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

#endif
