/* x / y of small integers times a real number, exact with TFLite's int8 DIV (reference/div.h): the
 * quotient with as many bits as x leaves, then times multiplier * 2^(shift - 31). |x| < 2^8, y not
 * 0, and shift <= 23, so that nothing is shifted up. */
static inline int32_t tinyc_divide(int32_t x, int32_t y, int32_t multiplier, int32_t shift)
{
    if (y < 0) {
        x = -x;
        y = -y;
    }
    int32_t free_bits = 0;
    while (free_bits < 31 && ((x < 0 ? ~(uint32_t)x : (uint32_t)x) << free_bits) < 0x40000000U) {
        free_bits++;
    }
    int32_t digits;
    const int32_t inverse = tinyc_reciprocal(y, &digits); /* of a y with 12 integer bits */
    const int32_t right = digits + 19 + free_bits - shift;
    const int32_t quotient = tinyc_high_mul((int32_t)((uint32_t)x << free_bits), inverse);
    const int32_t scaled = tinyc_high_mul(quotient, multiplier);
    return right > 31 ? 0 : tinyc_round_shift(scaled, right); /* there it is under a half */
}
