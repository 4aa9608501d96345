/* One row of a fully connected layer, four channels at a time.
 * weights: for each four channels, for each four inputs, one word a channel;
 * table: bias, multiplier and right shift (2 to 31) of each channel. */
TINYC_INLINE void tinyc_dense_quad(int32_t *acc, uint32_t x, const int8_t *weights)
{
    const uint32_t x02 = tinyc_sxtb16(x);
    const uint32_t x13 = tinyc_sxtb16_ror8(x);
    for (int i = 0; i < 4; i++) {
        const uint32_t w = tinyc_load4(weights + 4 * i);
        acc[i] = tinyc_smlad(x02, tinyc_sxtb16(w), acc[i]);
        acc[i] = tinyc_smlad(x13, tinyc_sxtb16_ror8(w), acc[i]);
    }
}

/* tinyc_requant1 for a right shift of 2 to 31: the rounding lies within the high word. */
TINYC_INLINE int32_t tinyc_requant1_dsp(int32_t acc, int32_t multiplier, int32_t right)
{
    const int32_t high = (int32_t)(((int64_t)acc * multiplier) >> 32);
    return (high + (int32_t)((uint32_t)1 << (right - 2))) >> (right - 1);
}

TINYC_SHARED static void tinyc_dense(const int8_t *in, const int8_t *weights, const int32_t *table,
                                     int8_t *out, int32_t depth, int32_t channels,
                                     int32_t zero_point, int32_t low, int32_t high)
{
    const int8_t *const end = in + (depth & ~3);
    const int32_t tail = depth & 3;

    for (int32_t c = 0; c < channels; c += 4, table += 12) {
        int32_t acc[4] = {table[0], table[3], table[6], table[9]};
        for (const int8_t *x = in; x != end; x += 4, weights += 16) {
            tinyc_dense_quad(acc, tinyc_load4(x), weights);
        }
        if (tail != 0) {
            uint32_t x = 0;
            for (int32_t i = 0; i < tail; i++) {
                x |= (uint32_t)(uint8_t)end[i] << (8 * i);
            }
            tinyc_dense_quad(acc, x, weights);
            weights += 16;
        }
        for (int i = 0; i < 4; i++) {
            if (c + i < channels) {
                const int32_t y = tinyc_requant1_dsp(acc[i], table[3 * i + 1], table[3 * i + 2]);
                out[c + i] = tinyc_clamp_s8(y + zero_point, low, high);
            }
        }
    }
}
