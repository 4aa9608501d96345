/* Four channels of a depthwise convolution: acc[i] += (x[i] + offset) * w[i], one tap a call. */
TINYC_INLINE void tinyc_tap4(int32_t *acc, const int8_t *in, const int8_t *weights, uint32_t offset)
{
    const uint32_t x = tinyc_load4(in);
    const uint32_t w = tinyc_load4(weights);
    const uint32_t x02 = tinyc_sxtab16(offset, x);
    const uint32_t x13 = tinyc_sxtab16_ror8(offset, x);
    const uint32_t w02 = tinyc_sxtb16(w);
    const uint32_t w13 = tinyc_sxtb16_ror8(w);
    acc[0] = tinyc_smlabb(x02, w02, acc[0]);
    acc[1] = tinyc_smlabb(x13, w13, acc[1]);
    acc[2] = tinyc_smlatt(x02, w02, acc[2]);
    acc[3] = tinyc_smlatt(x13, w13, acc[3]);
}

/* Requantize and store four channels; table: bias, multiplier and right shift of each. */
TINYC_INLINE void tinyc_store4(const int32_t *acc, const int32_t *table, int8_t *out,
                               int32_t zero_point, int32_t low, int32_t high)
{
    for (int i = 0; i < 4; i++) {
        const int32_t y = tinyc_requant2_dsp(acc[i], table[3 * i + 1], table[3 * i + 2]);
        out[i] = tinyc_clamp_s8(y + zero_point, low, high);
    }
}
