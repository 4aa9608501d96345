/* Fully connected layers of int8 on cores with the DSP extension, four channels at a time.
 * weights: for each four channels, for each four inputs, one word a channel;
 * table: bias of each channel, and two words by which its sum is rescaled. */
#ifndef TINYC_DENSE_DSP_H
#define TINYC_DENSE_DSP_H

#include "tinyc_dsp.h"

/* Inputs up to `end`, quads of them, with four channels; returns the weights behind theirs. A loop
 * in assembly: around less, compilers move the sums from register to register in each pass. */
#if TINYC_DSP

TINYC_INLINE const int8_t *tinyc_dense_quads_dsp(int32_t *acc, const int8_t *in, const int8_t *end,
                                                 const int8_t *weights)
{
    uint32_t x, x02, v, w, t;
    __asm__ volatile(
        "1:\n\t"
        "ldr    %[x], [%[in]], #4\n\t"
        "ldr    %[v], [%[weights]], #4\n\t"
        "ldr    %[w], [%[weights]], #4\n\t"
        "sxtb16 %[x02], %[x]\n\t"
        "sxtb16 %[x], %[x], ror #8\n\t"
        "sxtb16 %[t], %[v]\n\t"
        "sxtb16 %[v], %[v], ror #8\n\t"
        "smlad  %[a0], %[x02], %[t], %[a0]\n\t"
        "smlad  %[a0], %[x], %[v], %[a0]\n\t"
        "sxtb16 %[t], %[w]\n\t"
        "sxtb16 %[w], %[w], ror #8\n\t"
        "smlad  %[a1], %[x02], %[t], %[a1]\n\t"
        "smlad  %[a1], %[x], %[w], %[a1]\n\t"
        "ldr    %[v], [%[weights]], #4\n\t"
        "ldr    %[w], [%[weights]], #4\n\t"
        "sxtb16 %[t], %[v]\n\t"
        "sxtb16 %[v], %[v], ror #8\n\t"
        "smlad  %[a2], %[x02], %[t], %[a2]\n\t"
        "smlad  %[a2], %[x], %[v], %[a2]\n\t"
        "sxtb16 %[t], %[w]\n\t"
        "sxtb16 %[w], %[w], ror #8\n\t"
        "smlad  %[a3], %[x02], %[t], %[a3]\n\t"
        "smlad  %[a3], %[x], %[w], %[a3]\n\t"
        "cmp    %[in], %[end]\n\t"
        "bne    1b"
        : [x] "=&r"(x), [x02] "=&r"(x02), [v] "=&r"(v), [w] "=&r"(w), [t] "=&r"(t), [in] "+&r"(in),
          [weights] "+&r"(weights), [a0] "+&r"(acc[0]), [a1] "+&r"(acc[1]), [a2] "+&r"(acc[2]),
          [a3] "+&r"(acc[3])
        : [end] "r"(end)
        : "cc", "memory");
    return weights;
}

#else

TINYC_INLINE const int8_t *tinyc_dense_quads_dsp(int32_t *acc, const int8_t *in, const int8_t *end,
                                                 const int8_t *weights)
{
    for (; in != end; in += 4) {
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < 4; k++) {
                acc[i] += in[k] * *weights++;
            }
        }
    }
    return weights;
}

#endif

/* acc[i] + sum of in[k] * w[i][k]; returns the next four channels' weights. */
TINYC_INLINE const int8_t *tinyc_dense_sums_dsp(int32_t *acc, const int8_t *in,
                                                const int8_t *weights, int32_t depth)
{
    const int8_t *const end = in + (depth & ~3);
    const int32_t rest = depth & 3;

    if (in != end) {
        weights = tinyc_dense_quads_dsp(acc, in, end, weights);
    }
    if (rest != 0) {
        int8_t tail[4] = {0, 0, 0, 0};
        memcpy(tail, end, (size_t)rest);
        weights = tinyc_dense_quads_dsp(acc, tail, tail + 4, weights);
    }
    return weights;
}

/* The function `name` of one row of inputs that rescales by `rescale`. */
#define TINYC_DEFINE_DENSE_ROW_DSP(name, rescale)                                                \
    TINYC_SHARED static void name(const int8_t *in, const int8_t *weights, const int32_t *table, \
                                  int8_t *out, int32_t depth, int32_t channels,                  \
                                  int32_t zero_point, int32_t low, int32_t high)                 \
    {                                                                                            \
        for (int32_t c = 0; c < channels; c += 4, table += 12) {                                 \
            int32_t acc[4] = {table[0], table[3], table[6], table[9]};                           \
            weights = tinyc_dense_sums_dsp(acc, in, weights, depth);                             \
            for (int i = 0; i < 4; i++) {                                                        \
                if (c + i < channels) {                                                          \
                    const int32_t y = rescale(acc[i], table[3 * i + 1], table[3 * i + 2]);       \
                    out[c + i] = tinyc_clamp_s8(y + zero_point, low, high);                      \
                }                                                                                \
            }                                                                                    \
        }                                                                                        \
    }

typedef void tinyc_dense_row(const int8_t *in, const int8_t *weights, const int32_t *table,
                             int8_t *out, int32_t depth, int32_t channels, int32_t zero_point,
                             int32_t low, int32_t high);

/* tinyc_requant1 for a right shift of `shift` + 2: the rounding lies within the high word. */
TINYC_INLINE int32_t tinyc_requant1_dsp(int32_t acc, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)acc * multiplier) >> 32);
    return ((high >> shift) + 1) >> 1;
}

TINYC_DEFINE_DENSE_ROW_DSP(tinyc_dense_row_dsp, tinyc_requant1_dsp)

TINYC_INLINE void tinyc_dense_s8_dsp(const int8_t *in, int8_t *out, const int8_t *weights,
                                     const int32_t *table, int32_t batches, int32_t depth,
                                     int32_t channels, int32_t zero_point, int32_t low,
                                     int32_t high, tinyc_dense_row *row)
{
    for (int32_t b = 0; b < batches; b++, in += depth, out += channels) {
        row(in, weights, table, out, depth, channels, zero_point, low, high);
    }
}

#endif
