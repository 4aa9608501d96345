/* Matrix products, a batch of them, of int8 and int16. */
#ifndef TINYC_MATMUL_H
#define TINYC_MATMUL_H

#include "tinyc_matmul_shape.h"
#include "tinyc_requant.h"

/* How sums become outputs: each factor less its zero point; the multiplier and shift of `rescale`;
 * the output's zero point and bounds. */
struct tinyc_matmul_scale {
    int32_t a_zero, b_zero;
    int32_t multiplier, shift;
    int32_t zero_point, low, high;
};

/* The function `name` of matrices of the type `element`, whose sums are of the type `number` and
 * become outputs by `rescale`. */
#define TINYC_DEFINE_MATMUL(name, element, number, rescale)                                      \
    TINYC_INLINE void name(const element *a, const element *b, element *out,                     \
                           const int32_t *starts, const struct tinyc_matmul *shape,              \
                           const struct tinyc_matmul_scale *scale)                               \
    {                                                                                            \
        for (int32_t n = 0; n < shape->batches; n++) {                                           \
            const element *const rows = a + tinyc_matmul_start(starts, shape, n, 0);             \
            const element *const columns = b + tinyc_matmul_start(starts, shape, n, 1);          \
            for (int32_t i = 0; i < shape->rows; i++) {                                          \
                for (int32_t j = 0; j < shape->columns; j++) {                                   \
                    const element *x = rows + i * shape->a_row;                                  \
                    const element *y = columns + j * shape->b_column;                            \
                    number acc = 0;                                                              \
                    for (int32_t left = shape->depth;; x += shape->a_step, y += shape->b_step) { \
                        const int32_t product = (*x - scale->a_zero) * (*y - scale->b_zero);     \
                        acc += product;                                                          \
                        if (--left == 0) {                                                       \
                            break; /* before a pointer leaves its matrix */                      \
                        }                                                                        \
                    }                                                                            \
                    const int32_t z = rescale(acc, scale->multiplier, scale->shift);             \
                    *out++ = (element)tinyc_clamp_offset(z, scale->zero_point, scale->low,       \
                                                         scale->high);                           \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
    }

TINYC_DEFINE_MATMUL(tinyc_matmul_s8, int8_t, int32_t, tinyc_requant2)

TINYC_DEFINE_MATMUL(tinyc_matmul_s16, int16_t, int64_t, tinyc_requant_wide)

#endif
