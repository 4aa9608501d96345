#ifndef TINYC_TOP_K_F32_H
#define TINYC_TOP_K_F32_H

#include "tinyc_top_k.h"

/* What is no number comes last. */
TINYC_TOP_K(tinyc_top_k_f32, float, x > other || (other != other && x == x))

#endif
