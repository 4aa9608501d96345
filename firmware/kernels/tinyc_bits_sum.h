/* Sums of 32 output channels at once. A counter lies across words: bit c of plane k is bit k of
 * channel c's. An input that is +1 (a clear bit) adds nothing that is not known beforehand, so
 * only those that are -1 are listed, and their rows of weights added up with carry-save adders. */

/* *sum + a + b of each bit: the low bit stays in *sum, the high one is returned. */
TINYC_INLINE uint32_t tinyc_bits_add(uint32_t *sum, uint32_t a, uint32_t b)
{
    const uint32_t differ = a ^ b;
    const uint32_t high = a ^ (differ & (a ^ *sum));
    *sum ^= differ;
    return high;
}

/* Append to `list` the byte offset of the row of weights of each set bit, rows of 4 bytes from
 * `offset` on. Returns the end of the list. */
static TINYC_SHARED uint16_t *tinyc_bits_list(uint32_t bits, uint32_t offset, uint16_t *list)
{
#if defined(__ARM_FEATURE_CLZ) && __ARM_FEATURE_CLZ
    for (offset += 4 * 31; bits != 0U; list++) {
        const uint32_t first = (uint32_t)__builtin_clz(bits);
        *list = (uint16_t)(offset - 4 * first);
        bits &= ~(0x80000000U >> first);
    }
#else
    for (; bits != 0U; bits >>= 1, offset += 4) {
        if ((bits & 1U) != 0U) {
            *list++ = (uint16_t)offset;
        }
    }
#endif
    return list;
}

/* Add the listed rows of `weights` to the counters of `plane`; count is a multiple of 16. */
static TINYC_SHARED void tinyc_bits_sum(const uint32_t *weights, const uint16_t *list,
                                        int32_t count, uint32_t *plane)
{
#define TINYC_ROW(i) (*(const uint32_t *)(const void *)((const uint8_t *)weights + list[i]))
    uint32_t ones = plane[0];
    uint32_t twos = plane[1];
    uint32_t fours = plane[2];
    uint32_t eights = plane[3];
    for (; count > 0; count -= 16, list += 16) {
        uint32_t two = tinyc_bits_add(&ones, TINYC_ROW(0), TINYC_ROW(1));
        uint32_t four = tinyc_bits_add(&twos, two, tinyc_bits_add(&ones, TINYC_ROW(2), TINYC_ROW(3)));
        two = tinyc_bits_add(&ones, TINYC_ROW(4), TINYC_ROW(5));
        two = tinyc_bits_add(&twos, two, tinyc_bits_add(&ones, TINYC_ROW(6), TINYC_ROW(7)));
        uint32_t carry = tinyc_bits_add(&fours, four, two);
        two = tinyc_bits_add(&ones, TINYC_ROW(8), TINYC_ROW(9));
        four = tinyc_bits_add(&twos, two, tinyc_bits_add(&ones, TINYC_ROW(10), TINYC_ROW(11)));
        two = tinyc_bits_add(&ones, TINYC_ROW(12), TINYC_ROW(13));
        two = tinyc_bits_add(&twos, two, tinyc_bits_add(&ones, TINYC_ROW(14), TINYC_ROW(15)));
        carry = tinyc_bits_add(&eights, carry, tinyc_bits_add(&fours, four, two));
        for (uint32_t *next = plane + 4; carry != 0U; next++) {
            *next ^= carry;
            carry &= ~*next;
        }
    }
    plane[0] = ones;
    plane[1] = twos;
    plane[2] = fours;
    plane[3] = eights;
#undef TINYC_ROW
}

/* Whether each counter of `plane` is below its limit, a counter across words as well. */
static TINYC_SHARED uint32_t tinyc_bits_below(const uint32_t *plane, const uint32_t *limit,
                                              int32_t planes)
{
    uint32_t below = 0;
    for (; planes > 0; planes--, plane++, limit++) {
        below ^= (*plane ^ *limit) & (below ^ *limit);
    }
    return below;
}

/* Bytes of the numbers whose bits `plane` holds from its last plane down to the first: channel c's
 * is byte c of `bytes`. */
static TINYC_SHARED void tinyc_bits_bytes(const uint32_t *plane, int32_t planes, uint32_t *bytes)
{
    uint32_t a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
    while (planes > 0) {
        const uint32_t x = plane[--planes];
        /* bits 0, 1, 2, 3 to bytes 0, 1, 2, 3 */
#define TINYC_SPREAD(n) ((((x >> (4 * (n))) & 15U) * 0x00204081U) & 0x01010101U)
        a = (a << 1) + TINYC_SPREAD(0);
        b = (b << 1) + TINYC_SPREAD(1);
        c = (c << 1) + TINYC_SPREAD(2);
        d = (d << 1) + TINYC_SPREAD(3);
        e = (e << 1) + TINYC_SPREAD(4);
        f = (f << 1) + TINYC_SPREAD(5);
        g = (g << 1) + TINYC_SPREAD(6);
        h = (h << 1) + TINYC_SPREAD(7);
#undef TINYC_SPREAD
    }
    bytes[0] = a;
    bytes[1] = b;
    bytes[2] = c;
    bytes[3] = d;
    bytes[4] = e;
    bytes[5] = f;
    bytes[6] = g;
    bytes[7] = h;
}

/* The counters of `plane` as numbers: channel c's is counts[c], less than 2^16. */
static TINYC_SHARED void tinyc_bits_counts(const uint32_t *plane, int32_t planes, uint16_t *counts)
{
    uint32_t low[8];
    uint32_t high[8];
    tinyc_bits_bytes(plane, planes < 8 ? planes : 8, low);
    tinyc_bits_bytes(plane + 8, planes - 8, high);
    for (int32_t i = 0; i < 8; i++) {
        for (int32_t shift = 0; shift < 32; shift += 8) {
            *counts++ = (uint16_t)(((low[i] >> shift) & 255U) | (((high[i] >> shift) & 255U) << 8));
        }
    }
}

/* int8 outputs of `count` channels from their counters; bounds are the least and the greatest
 * output of each, or none. */
static TINYC_SHARED int8_t *tinyc_bits_finish_s8(const uint16_t *counts, int32_t count,
                                                 const int32_t *channel, const int8_t *bounds,
                                                 int8_t *out)
{
    for (; count > 0; count--, channel += 2) {
        int32_t y = tinyc_bits_scale(*counts++, channel);
        if (bounds != 0) {
            y = y < bounds[0] ? bounds[0] : (y > bounds[1] ? bounds[1] : y);
            bounds += 2;
        }
        *out++ = (int8_t)y;
    }
    return out;
}
