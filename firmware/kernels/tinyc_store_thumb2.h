/* The last steps of int8 layers in the 32-bit instructions of Thumb-2, without SIMD. */
#ifndef TINYC_STORE_THUMB2_H
#define TINYC_STORE_THUMB2_H

#include "tinyc_requant.h"

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 2
#define TINYC_THUMB2 1
#else
#define TINYC_THUMB2 0
#endif

#if TINYC_THUMB2

/* Text of the instructions that make of a sum under 2^30 an output, and store it at `out`; all of
 * them registers, of which `sum` and `low` are lost. tinyc_requant2 by a right shift of 1 to 31:
 * twice the sum makes the upper word the high product, and the carry, the last bit that has been
 * shifted out, is what rounds. */
#define TINYC_STORE_AWAY(sum, low, multiplier, shift, zero_point, out) \
    "lsl    " sum ", " sum                                             \
    ", #1\n\t"                                                         \
    "smull  " low ", " sum ", " sum ", " multiplier                    \
    "\n\t"                                                             \
    "lsls   " low ", " low                                             \
    ", #1\n\t"                                                         \
    "adc    " sum ", " sum                                             \
    ", #0\n\t"                                                         \
    "add    " sum ", " sum ", " sum                                    \
    ", asr #31\n\t"                                                    \
    "asrs   " sum ", " sum ", " shift                                  \
    "\n\t"                                                             \
    "adc    " sum ", " sum ", " zero_point                             \
    "\n\t"                                                             \
    "ssat   " sum ", #8, " sum                                         \
    "\n\t"                                                             \
    "strb   " sum ", [" out "]\n\t"

/* The same of a sum under 2^23, where the zero point is -128: a multiplier and an addend as those
 * of tinyc_finish_s8_lowest in tinyc_dsp.h. */
#define TINYC_STORE_LOWEST(sum, low, multiplier, addend, zero_point, out) \
    "lsl    " sum ", " sum                                                \
    ", #8\n\t"                                                            \
    "smull  " low ", " sum ", " sum ", " multiplier                       \
    "\n\t"                                                                \
    "add    " sum ", " addend                                             \
    "\n\t"                                                                \
    "ssat   " sum ", #8, " sum                                            \
    ", asr #12\n\t"                                                       \
    "strb   " sum ", [" out "]\n\t"

#else

/* The same of words in memory. */
TINYC_INLINE void tinyc_store_away(int8_t *out, int32_t sum, const int32_t *scale,
                                   int32_t zero_point)
{
    const int32_t y = tinyc_requant2(sum, scale[0], -scale[1]);
    *out = (int8_t)tinyc_clamp_offset(y, zero_point, INT8_MIN, INT8_MAX);
}

TINYC_INLINE void tinyc_store_lowest(int8_t *out, int32_t sum, const int32_t *scale,
                                     int32_t zero_point)
{
    const int32_t high = tinyc_high_word((int32_t)((uint32_t)sum << 8), scale[0]);
    (void)zero_point;
    *out = (int8_t)tinyc_clamp((high + scale[1]) >> 12, INT8_MIN, INT8_MAX);
}

#define TINYC_STORE_AWAY   tinyc_store_away
#define TINYC_STORE_LOWEST tinyc_store_lowest

#endif

#endif
