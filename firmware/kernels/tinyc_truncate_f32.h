/* From float32 to integers without the fraction: what is beyond goes to the nearest end, and what
 * is no number to the greatest, where C has no answer. */
#ifndef TINYC_TRUNCATE_F32_H
#define TINYC_TRUNCATE_F32_H

#include "tinyc_base.h"

/* least: 0 or a power of two, negated; most: one less than such a power. */
#define TINYC_TRUNCATE_F32(name, type, least, most)     \
    TINYC_INLINE type name(float x)                     \
    {                                                   \
        if (!(x < (float)(most) + 1.0f)) {              \
            return (most);                              \
        }                                               \
        return x >= (float)(least) ? (type)x : (least); \
    }

TINYC_TRUNCATE_F32(tinyc_truncate_f32_s8, int8_t, INT8_MIN, INT8_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_u8, uint8_t, 0, UINT8_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_s16, int16_t, INT16_MIN, INT16_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_s32, int32_t, INT32_MIN, INT32_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_s64, int64_t, INT64_MIN, INT64_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_u32, uint32_t, 0, UINT32_MAX)
TINYC_TRUNCATE_F32(tinyc_truncate_f32_u64, uint64_t, 0, UINT64_MAX)

#endif
