/* Four channels of a depthwise convolution, one tap a call: acc[i] += (x[i] + offset) * w[i];
 * returns the next tap's weights. One block of assembly: compilers hoist the loads of all taps
 * and spill what they widened. */
#if TINYC_DSP

TINYC_INLINE const int8_t *tinyc_tap4(int32_t *acc, const int8_t *in, const int8_t *weights,
                                      uint32_t offset)
{
    uint32_t x, w, x02, w02;
    __asm__ volatile("ldr     %[x], [%[in]]\n\t"
                     "ldr     %[w], [%[weights]], #4\n\t"
                     "sxtab16 %[x02], %[offset], %[x]\n\t"
                     "sxtb16  %[w02], %[w]\n\t"
                     "sxtab16 %[x], %[offset], %[x], ror #8\n\t"
                     "sxtb16  %[w], %[w], ror #8\n\t"
                     "smlabb  %[a0], %[x02], %[w02], %[a0]\n\t"
                     "smlatt  %[a2], %[x02], %[w02], %[a2]\n\t"
                     "smlabb  %[a1], %[x], %[w], %[a1]\n\t"
                     "smlatt  %[a3], %[x], %[w], %[a3]"
                     : [x] "=&r"(x), [w] "=&r"(w), [x02] "=&r"(x02), [w02] "=&r"(w02),
                       [weights] "+&r"(weights), [a0] "+&r"(acc[0]), [a1] "+&r"(acc[1]),
                       [a2] "+&r"(acc[2]), [a3] "+&r"(acc[3])
                     : [in] "r"(in), [offset] "r"(offset)
                     : "memory");
    return weights;
}

#else

TINYC_INLINE const int8_t *tinyc_tap4(int32_t *acc, const int8_t *in, const int8_t *weights,
                                      uint32_t offset)
{
    for (int i = 0; i < 4; i++) {
        acc[i] += (in[i] + tinyc_low(offset)) * weights[i];
    }
    return weights + 4;
}

#endif

/* Requantize and clamp one channel; channel: its bias, multiplier and right shift less one. */
TINYC_INLINE int8_t tinyc_finish2(int32_t acc, const int32_t *channel, int32_t zero_point,
                                  int32_t low, int32_t high)
{
    const int32_t half = 1 + 2 * zero_point;
    return tinyc_clamp_s8(tinyc_requant2_dsp(acc, channel[1], channel[2], half), low, high);
}

/* The same for four channels. Written out: a loop would keep the accumulators in memory. */
TINYC_INLINE void tinyc_store4(const int32_t *acc, const int32_t *table, int8_t *out,
                               int32_t zero_point, int32_t low, int32_t high)
{
    out[0] = tinyc_finish2(acc[0], table, zero_point, low, high);
    out[1] = tinyc_finish2(acc[1], table + 3, zero_point, low, high);
    out[2] = tinyc_finish2(acc[2], table + 6, zero_point, low, high);
    out[3] = tinyc_finish2(acc[3], table + 9, zero_point, low, high);
}
