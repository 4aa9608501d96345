/* The micro-kernels that TVM's schedules tensorize with, on cores with the DSP extension.
 *
 * columns: for each quad of inputs k0..k3 two rows, first (k0, k2), then (k1, k3), as int16 pairs
 *          (what SXTB16 leaves of four bytes), one word of each row for each pixel;
 * acc:     [channels][pixels]; quads: how many of them are summed.
 *
 * That of one pixel is tinyc_gemm_4x1. */
#ifndef TINYC_TENSOR_DSP_H
#define TINYC_TENSOR_DSP_H

#include "tinyc_gemm_dsp.h"
#include "tinyc_mac.h"

/* Four bytes of a pixel into its place of two rows that are `row` halfwords apart. */
TINYC_INLINE void tinyc_widen4(const int8_t *from, int16_t *to, int32_t row)
{
    const uint32_t quad = tinyc_load4(from);
    const uint32_t row0 = tinyc_sxtb16(quad);
    const uint32_t row1 = tinyc_sxtb16_ror8(quad);
    memcpy(to, &row0, 4);
    memcpy(to + row, &row1, 4);
}

/* Two channels of four pixels; weights: for each row one word of four bytes c0a c1a c0b c1b,
 * where (a, b) is the row's pair of inputs. A row is 16 multiply-accumulates in 15 cycles. */
#if TINYC_DSP

__attribute__((naked, noinline, unused)) static void tinyc_gemm_2x4(
    __attribute__((unused)) const int8_t *weights, __attribute__((unused)) const int16_t *columns,
    __attribute__((unused)) int32_t *acc, __attribute__((unused)) int32_t quads)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r4-r11, lr}\n\t"
        "ldmia  r2, {r4-r11}\n\t"
        "add    r12, r0, r3, lsl #3\n\t"
        "push   {r2, r12}\n\t"
        "lsls   r3, r3, #31\n\t"
        "bne    2f\n"
        "1:\n\t"
        ".rept 2\n\t" TINYC_MAC_ROW_2X4
        ".endr\n"
        "2:\n\t"
        ".rept 2\n\t" TINYC_MAC_ROW_2X4
        ".endr\n\t"
        "ldr    r2, [sp, #4]\n\t"
        "cmp    r0, r2\n\t"
        "bne    1b\n\t"
        "pop    {r2, r3}\n\t"
        "stmia  r2, {r4-r11}\n\t"
        "pop    {r4-r11, pc}\n\t");
}

#else

TINYC_SHARED static void tinyc_gemm_2x4(const int8_t *weights, const int16_t *columns, int32_t *acc,
                                        int32_t quads)
{
    tinyc_mac_rows(weights, columns, acc, weights + 8 * quads);
}

#endif

/* Four channels of one tap: acc[i] += x[i] * w[i]. One block of assembly: compilers hoist the
 * loads of all taps and spill what they widened. */
#if TINYC_DSP

TINYC_INLINE void tinyc_tensor_tap4(const int8_t *x, const int8_t *weights, int32_t *acc)
{
    const int8_t (*const quad)[4] = (const int8_t (*)[4])(const void *)x;
    const int8_t (*const tap)[4] = (const int8_t (*)[4])(const void *)weights;
    uint32_t a, b, a02, b02;
    __asm__(
        "ldr     %[a], %[x]\n\t"
        "ldr     %[b], %[w]\n\t"
        "sxtb16  %[a02], %[a]\n\t"
        "sxtb16  %[b02], %[b]\n\t"
        "sxtb16  %[a], %[a], ror #8\n\t"
        "sxtb16  %[b], %[b], ror #8\n\t"
        "smlabb  %[a0], %[a02], %[b02], %[a0]\n\t"
        "smlatt  %[a2], %[a02], %[b02], %[a2]\n\t"
        "smlabb  %[a1], %[a], %[b], %[a1]\n\t"
        "smlatt  %[a3], %[a], %[b], %[a3]"
        : [a] "=&r"(a), [b] "=&r"(b), [a02] "=&r"(a02), [b02] "=&r"(b02), [a0] "+&r"(acc[0]),
          [a1] "+&r"(acc[1]), [a2] "+&r"(acc[2]), [a3] "+&r"(acc[3])
        : [x] "m"(*quad), [w] "m"(*tap));
}

#else

TINYC_INLINE void tinyc_tensor_tap4(const int8_t *x, const int8_t *weights, int32_t *acc)
{
    for (int i = 0; i < 4; i++) {
        acc[i] += x[i] * weights[i];
    }
}

#endif

#endif
