#ifndef TINYC_ARG_BEST_F32_H
#define TINYC_ARG_BEST_F32_H

#include "tinyc_arg_best.h"

/* What is no number is passed over. */
TINYC_ARG_BEST(tinyc_arg_max_f32, float, x > best || (best != best && x == x))
TINYC_ARG_BEST(tinyc_arg_min_f32, float, x < best || (best != best && x == x))

#endif
