/* Set bits of a word. */
TINYC_INLINE int32_t tinyc_popcount(uint32_t x)
{
    x -= (x >> 1) & 0x55555555U;
    x = (x & 0x33333333U) + ((x >> 2) & 0x33333333U);
    x = (x + (x >> 4)) & 0x0f0f0f0fU;
    return (int32_t)((x * 0x01010101U) >> 24);
}

/* (x * multiplier + term) >> shift, saturated; the low five bits of the term are the shift as well,
 * and only the sum need fit 32 bits. tinyc/ops/lce_bconv2d.py chooses both so that no result
 * suffers. */
TINYC_INLINE int8_t tinyc_bits_scaled(int32_t x, int32_t multiplier, int32_t term)
{
    const uint32_t sum = (uint32_t)x * (uint32_t)multiplier + (uint32_t)term;
    const int32_t y = (int32_t)sum >> (term & 31);
    return (int8_t)(y < -128 ? -128 : (y > 127 ? 127 : y));
}

/* The same; channel: multiplier and term. */
TINYC_INLINE int8_t tinyc_bits_scale(int32_t x, const int32_t *channel)
{
    return tinyc_bits_scaled(x, channel[0], channel[1]);
}

/* Bit i is set where x[i] + 128 is below `limit`, of four bytes at a multiple of four;
 * 0 <= limit <= 255. */
TINYC_INLINE uint32_t tinyc_bits_below4(const int8_t *x, uint32_t limit)
{
    uint32_t bytes;
#if defined(__GNUC__)
    x = __builtin_assume_aligned(x, 4);
#endif
    memcpy(&bytes, x, 4);
    bytes ^= 0x80808080U;
    /* the high bit of each byte: whether its low seven bits reach those of the limit */
    const uint32_t reach = (bytes | 0x80808080U) - (limit & 127U) * 0x01010101U;
    const uint32_t below = limit > 127U ? ~(bytes & reach) : ~(bytes | reach);
    return (((below >> 7) & 0x01010101U) * 0x10204080U) >> 28;
}
