/* The geometry of matrix products, a batch of them. */
#ifndef TINYC_MATMUL_SHAPE_H
#define TINYC_MATMUL_SHAPE_H

#include "tinyc_base.h"

/* rows x depth by depth x columns; and how many elements lie between the rows of a, the columns of
 * b, and the factors of each: either may be stored transposed. */
struct tinyc_matmul {
    int32_t batches, rows, depth, columns;
    int32_t a_row, a_step;
    int32_t b_column, b_step;
};

/* Where operand 0 or 1 of batch n begins; starts: of both, for each batch if there are several. */
TINYC_INLINE int32_t tinyc_matmul_start(const int32_t *starts, const struct tinyc_matmul *shape,
                                        int32_t n, int32_t operand)
{
    return shape->batches > 1 ? starts[2 * n + operand] : 0;
}

#endif
