/* Frames of float32 that overlap. */
#ifndef TINYC_OVERLAP_ADD_F32_H
#define TINYC_OVERLAP_ADD_F32_H

#include "tinyc_frames.h"

TINYC_INLINE float tinyc_overlap_f32(float x, float y)
{
    return x + y;
}

TINYC_OVERLAP_ADD(tinyc_overlap_add_f32, float, tinyc_overlap_f32)

#endif
