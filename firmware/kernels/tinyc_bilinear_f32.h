/* A pixel between four others of an image of float32 or of uint8. */
#ifndef TINYC_BILINEAR_F32_H
#define TINYC_BILINEAR_F32_H

#include "tinyc_base.h"

/* Those of a row and of a column make 1 each. */
struct tinyc_weights_f32 {
    float top;
    float bottom;
    float left;
    float right;
};

/* The order of the products and of the sum is that of the reference. */
TINYC_INLINE float tinyc_bilinear_f32(float top_left, float bottom_left, float top_right,
                                      float bottom_right, const struct tinyc_weights_f32 *by)
{
    return top_left * by->top * by->left + bottom_left * by->bottom * by->left +
           top_right * by->top * by->right + bottom_right * by->bottom * by->right;
}

TINYC_INLINE uint8_t tinyc_bilinear_u8(float top_left, float bottom_left, float top_right,
                                       float bottom_right, const struct tinyc_weights_f32 *by)
{
    return (uint8_t)(tinyc_bilinear_f32(top_left, bottom_left, top_right, bottom_right, by) + 0.5f);
}

#endif
