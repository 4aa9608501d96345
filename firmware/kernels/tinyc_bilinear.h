/* A pixel between four others of an image of integers. */
#ifndef TINYC_BILINEAR_H
#define TINYC_BILINEAR_H

#include "tinyc_base.h"

/* In 1024ths; those of a row and of a column make 1024 each. */
struct tinyc_weights {
    int32_t top;
    int32_t bottom;
    int32_t left;
    int32_t right;
};

/* The sum, in 2^20ths, is that of eight bits and 20. */
TINYC_INLINE int8_t tinyc_bilinear_s8(int32_t top_left, int32_t bottom_left, int32_t top_right,
                                      int32_t bottom_right, const struct tinyc_weights *by)
{
    const int32_t sum = (top_left * by->top + bottom_left * by->bottom) * by->left +
                        (top_right * by->top + bottom_right * by->bottom) * by->right;
    return (int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
}

/* The same, whose sum has sixteen bits and 20. */
TINYC_INLINE int16_t tinyc_bilinear_s16(int32_t top_left, int32_t bottom_left, int32_t top_right,
                                        int32_t bottom_right, const struct tinyc_weights *by)
{
    const int64_t sum = (int64_t)(top_left * by->top + bottom_left * by->bottom) * by->left +
                        (int64_t)(top_right * by->top + bottom_right * by->bottom) * by->right;
    return (int16_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20));
}

#endif
