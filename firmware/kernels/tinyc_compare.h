/* Comparisons of quantized numbers, each with its own quantization; logic. */
#ifndef TINYC_COMPARE_H
#define TINYC_COMPARE_H

#include "tinyc_base.h"
#include "tinyc_requant.h"

/* The real number in 256ths, as which it is compared (ComparisonWithScaling of TFLite's
 * reference/comparisons.h). */
TINYC_INLINE int32_t tinyc_in_256ths(int32_t x, int32_t offset, int32_t multiplier, int32_t shift)
{
    return tinyc_requant2((x + offset) * 256, multiplier, shift);
}

#endif
