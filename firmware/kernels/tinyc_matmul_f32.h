/* Matrix products, a batch of them, of float32. */
#ifndef TINYC_MATMUL_F32_H
#define TINYC_MATMUL_F32_H

#include "tinyc_matmul_shape.h"

TINYC_INLINE void tinyc_matmul_f32(const float *a, const float *b, float *out,
                                   const int32_t *starts, const struct tinyc_matmul *shape)
{
    for (int32_t n = 0; n < shape->batches; n++) {
        const float *const rows = a + tinyc_matmul_start(starts, shape, n, 0);
        const float *const columns = b + tinyc_matmul_start(starts, shape, n, 1);
        for (int32_t i = 0; i < shape->rows; i++) {
            for (int32_t j = 0; j < shape->columns; j++) {
                const float *x = rows + i * shape->a_row;
                const float *y = columns + j * shape->b_column;
                float acc = 0.0f;
                for (int32_t left = shape->depth;; x += shape->a_step, y += shape->b_step) {
                    acc += *x * *y;
                    if (--left == 0) {
                        break; /* before a pointer leaves its matrix */
                    }
                }
                *out++ = acc;
            }
        }
    }
}

#endif
