/* What layers of signs have in common: 32 channels lie in a word, a set bit is -1. */
#ifndef TINYC_BITS_LAYER_H
#define TINYC_BITS_LAYER_H

#include "tinyc_base.h"

/* What a layer makes of its sums: words of signs again, int8 or float32 numbers. */
enum tinyc_bits_ending { TINYC_BITS_SIGNS, TINYC_BITS_S8, TINYC_BITS_F32 };

/* outs: channels of the output; depth: words of a tap of a filter, and channels: how many signs
 * they hold; groups: of the channels of the input; zeros: whether zeros pad the image, which are
 * half a product each, or +1; least, most: bounds of twice a sum. */
struct tinyc_bits_layer {
    enum tinyc_bits_ending ending;
    int32_t outs, depth, channels, groups;
    int32_t zeros;
    int32_t least, most;
};

TINYC_INLINE int32_t tinyc_bits_clamp(int32_t x, int32_t least, int32_t most)
{
    return x < least ? least : (x > most ? most : x);
}

#endif
