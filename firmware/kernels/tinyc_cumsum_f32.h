#ifndef TINYC_CUMSUM_F32_H
#define TINYC_CUMSUM_F32_H

#include "tinyc_cumsum.h"

TINYC_CUMSUM(tinyc_cumsum_f32, float, sum + x)

#endif
