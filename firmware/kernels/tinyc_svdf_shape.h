/* The sizes of an SVDF layer. */
#ifndef TINYC_SVDF_SHAPE_H
#define TINYC_SVDF_SHAPE_H

#include "tinyc_base.h"

/* rank: filters of a unit; memory: levels that a filter keeps, the oldest first. */
struct tinyc_svdf {
    int32_t batches, depth, units, rank, memory;
};

#endif
