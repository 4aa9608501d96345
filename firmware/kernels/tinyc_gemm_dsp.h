/* Four channels of one column of int16 inputs, on cores with the DSP extension.
 *
 * weights: for each quad of inputs, four bytes of each channel in turn;
 * columns: for each quad two pairs of inputs, those whose weights are bytes 0 and 2, then those
 *          whose weights are bytes 1 and 3, as SXTB16 leaves them;
 * acc:     [channel]; quads: how many of them are added to it.
 *
 * They return the next weights. */
#ifndef TINYC_GEMM_DSP_H
#define TINYC_GEMM_DSP_H

#include "tinyc_dsp.h"

/* acc and the products of a quad of weights with both pairs of inputs. */
TINYC_INLINE int32_t tinyc_quad(const int8_t *weights, uint32_t first, uint32_t second, int32_t acc)
{
    const uint32_t quad = tinyc_load4(weights);
    acc = tinyc_smlad(first, tinyc_sxtb16(quad), acc);
    return tinyc_smlad(second, tinyc_sxtb16_ror8(quad), acc);
}

/* The same in 64 bits. The fence keeps the compiler from loading what it would have to spill. */
TINYC_INLINE int64_t tinyc_quad_wide(const int8_t *weights, uint32_t first, uint32_t second,
                                     int64_t acc)
{
    TINYC_FENCE;
    const uint32_t quad = tinyc_load4(weights);
    acc = tinyc_smlald(first, tinyc_sxtb16(quad), acc);
    return tinyc_smlald(second, tinyc_sxtb16_ror8(quad), acc);
}

/* The function `name` whose sums are of the type `number`, as `mac` adds a quad to them. */
#define TINYC_DEFINE_GEMM_4X1(name, number, mac)                                          \
    TINYC_SHARED static const int8_t *name(const int8_t *weights, const int16_t *columns, \
                                           number *acc, int32_t quads)                    \
    {                                                                                     \
        const int8_t *const end = weights + 16 * quads;                                   \
        number a0 = acc[0];                                                               \
        number a1 = acc[1];                                                               \
        number a2 = acc[2];                                                               \
        number a3 = acc[3];                                                               \
                                                                                          \
        for (; weights != end; weights += 16, columns += 4) {                             \
            const uint32_t first = tinyc_load_pair(columns);                              \
            const uint32_t second = tinyc_load_pair(columns + 2);                         \
            a0 = mac(weights, first, second, a0);                                         \
            a1 = mac(weights + 4, first, second, a1);                                     \
            a2 = mac(weights + 8, first, second, a2);                                     \
            a3 = mac(weights + 12, first, second, a3);                                    \
        }                                                                                 \
        acc[0] = a0;                                                                      \
        acc[1] = a1;                                                                      \
        acc[2] = a2;                                                                      \
        acc[3] = a3;                                                                      \
        return end;                                                                       \
    }

/* Where 32 bits hold every sum. */
TINYC_DEFINE_GEMM_4X1(tinyc_gemm_4x1, int32_t, tinyc_quad)

TINYC_DEFINE_GEMM_4X1(tinyc_gemm_4x1_wide, int64_t, tinyc_quad_wide)

#endif
