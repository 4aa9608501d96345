/* The audio front end of TensorFlow Lite Micro, but for its Fourier transforms, exact with its
 * signal library (see tinyc/ops/signal_window.py, signal_fft.py and signal_filter_bank.py). */
#ifndef TINYC_SIGNAL_H
#define TINYC_SIGNAL_H

#include "tinyc_requant.h"

/* How many bits it takes to write x. */
TINYC_INLINE int32_t tinyc_bit_length(uint32_t x)
{
#if defined(__GNUC__)
    return x != 0 ? 32 - __builtin_clz(x) : 0;
#else
    int32_t bits = 0;
    for (; x != 0; x >>= 1) {
        bits++;
    }
    return bits;
#endif
}

/* Samples times a window of `count`, over one row of so many after the other. */
TINYC_INLINE void tinyc_window_s16(const int16_t *in, const int16_t *weights, int16_t *out,
                                   int32_t rows, int32_t count, int32_t shift)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < count; i++) {
            const int32_t y = (*in++ * weights[i]) >> shift;
            *out++ = (int16_t)tinyc_clamp(y, INT16_MIN, INT16_MAX);
        }
    }
}

/* Samples shifted so that the largest has 15 bits; *shift: how far. -32768, whose magnitude int16
 * cannot hold, is forgotten where another sample follows. */
TINYC_INLINE void tinyc_fft_auto_scale(const int16_t *in, int16_t *out, int32_t *shift,
                                       int32_t count)
{
    int32_t most = 0;
    for (int32_t i = 0; i < count; i++) {
        if (in[i] > most) {
            most = in[i];
        } else if (-in[i] > most) {
            most = in[i] == INT16_MIN ? INT16_MIN : -in[i];
        }
    }
    const int32_t bits = most > 0 ? 15 - tinyc_bit_length((uint32_t)most) : 0;
    for (int32_t i = 0; i < count; i++) {
        out[i] = (int16_t)(in[i] * (1 << bits));
    }
    *shift = bits;
}

/* Squared magnitudes of complex numbers from `start` up to `end`, elsewhere 0. */
TINYC_INLINE void tinyc_energy(const int16_t *in, uint32_t *out, int32_t count, int32_t start,
                               int32_t end)
{
    memset(out, 0, (size_t)start * sizeof(*out));
    for (int32_t i = start; i < end; i++) {
        const int32_t real = in[2 * i];
        const int32_t imaginary = in[2 * i + 1];
        out[i] = (uint32_t)(real * real) + (uint32_t)(imaginary * imaginary);
    }
    memset(out + end, 0, (size_t)(count - end) * sizeof(*out));
}

/* Of each of the filters but the first, its weighted energies and the unweighted ones of that
 * before. begins, places, widths: of a filter's energies and of its weights. */
TINYC_INLINE void tinyc_filter_bank(const uint32_t *in, const int16_t *weights,
                                    const int16_t *unweights, const int16_t *begins,
                                    const int16_t *places, const int16_t *widths, uint64_t *out,
                                    int32_t filters)
{
    int64_t carried = 0;
    for (int32_t filter = 0; filter < filters; filter++) {
        const uint32_t *const energies = in + begins[filter];
        /* In halves, whose products need 32 bits. */
        int64_t low = 0;
        int64_t high = 0;
        int64_t rest_low = 0;
        int64_t rest_high = 0;
        for (int32_t i = 0; i < widths[filter]; i++) {
            const int32_t x_low = (int32_t)(energies[i] & 0xffffU);
            const int32_t x_high = (int32_t)(energies[i] >> 16);
            const int32_t weight = weights[places[filter] + i];
            const int32_t unweight = unweights[places[filter] + i];
            low += (int64_t)(weight * x_low);
            high += (int64_t)(weight * x_high);
            rest_low += (int64_t)(unweight * x_low);
            rest_high += (int64_t)(unweight * x_high);
        }
        if (filter > 0) {
            *out++ = (uint64_t)(carried + low + high * 65536);
        }
        carried = rest_low + rest_high * 65536;
    }
}

/* The nearest to the root, of `most` at the most; one: the greatest power of 4 of the type. */
#define TINYC_ROOT(name, type, one, most) \
    TINYC_INLINE uint32_t name(type x)    \
    {                                     \
        type root = 0;                    \
        type bit = (one);                 \
        while (bit > x) {                 \
            bit >>= 2;                    \
        }                                 \
        for (; bit != 0; bit >>= 2) {     \
            if (x >= root + bit) {        \
                x -= root + bit;          \
                root = (root >> 1) + bit; \
            } else {                      \
                root >>= 1;               \
            }                             \
        }                                 \
        if (x > root && root != (most)) { \
            root++;                       \
        }                                 \
        return (uint32_t)root;            \
    }

TINYC_ROOT(tinyc_root_u32, uint32_t, (uint32_t)1 << 30, 0xffffU)
TINYC_ROOT(tinyc_root_u64, uint64_t, (uint64_t)1 << 62, 0xffffffffU)

TINYC_INLINE void tinyc_filter_bank_root(const uint64_t *in, const int32_t *shift, uint32_t *out,
                                         int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const uint64_t x = in[i];
        const uint32_t root = x >> 32 != 0 ? tinyc_root_u64(x) : tinyc_root_u32((uint32_t)x);
        out[i] = root >> (*shift & 31);
    }
}

/* smoothing, kept: of channels 0 and 1, 2 and 3, ...: how much of a channel and of its estimate
 * make the next estimate; remaining: the least part that is left; all in units of 2^-bits. */
struct tinyc_subtraction {
    uint32_t smoothing[2], kept[2], remaining;
    int32_t bits, extra_bits; /* extra_bits: of estimates */
    int32_t clamping;         /* whether an estimate falls to what comes in at once */
};

TINYC_INLINE void tinyc_spectral_subtraction(const uint32_t *in, const uint32_t *noise,
                                             uint32_t *out, uint32_t *noise_next, int32_t count,
                                             const struct tinyc_subtraction *s)
{
    for (int32_t i = 0; i < count; i++) {
        const uint32_t x = in[i];
        const uint32_t scaled = x << s->extra_bits;
        const uint64_t sum =
            (uint64_t)scaled * s->smoothing[i & 1] + (uint64_t)noise[i] * s->kept[i & 1];
        const uint32_t estimate = (uint32_t)(sum >> s->bits);
        const uint32_t taken = estimate < scaled ? estimate : scaled;
        const uint32_t least = (uint32_t)(((uint64_t)x * s->remaining) >> s->bits);
        const uint32_t rest = (scaled - taken) >> s->extra_bits;
        noise_next[i] = s->clamping ? taken : estimate;
        out[i] = rest > least ? rest : least;
    }
}

/* The gain for a level of noise, by a table of polynomials of the second degree. */
TINYC_INLINE int32_t tinyc_gain(uint32_t noise, const int16_t *gains)
{
    if (noise <= 2) {
        return gains[noise];
    }
    const int32_t bits = tinyc_bit_length(noise);
    const int16_t *const entry = gains + 4 * bits - 6;
    const uint32_t fraction = (bits < 11 ? noise << (11 - bits) : noise >> (bits - 11)) & 0x3ffU;
    const int32_t bend = (entry[2] * (int32_t)fraction) >> 5;
    const uint32_t slope = (uint32_t)bend + ((uint32_t)entry[1] << 5);
    const int32_t rise = (int32_t)(slope * fraction + (1U << 14)) >> 15;
    return (int16_t)(rise + entry[0]);
}

/* Channels times the gains for their noise, compressed to 6 bits of fraction: x^2 / 4 of x < 2, and
 * x - 1 of others. */
TINYC_INLINE void tinyc_pcan(const uint32_t *in, const uint32_t *noise, const int16_t *gains,
                             uint32_t *out, int32_t count, int32_t shift)
{
    for (int32_t i = 0; i < count; i++) {
        const uint32_t gain = (uint32_t)tinyc_gain(noise[i], gains);
        const uint32_t x = (uint32_t)(((uint64_t)in[i] * gain) >> shift);
        out[i] = x < 2U << 12 ? (x * x) >> 20 : (x >> 6) - 64U;
    }
}

/* scale * ln(x << shift), of up to INT16_MAX; table: what log2 lies over its chord from 1 to 2, at
 * 128 steps. */
TINYC_INLINE void tinyc_filter_bank_log(const uint32_t *in, int16_t *out, const uint16_t *table,
                                        int32_t count, uint32_t scale, int32_t shift)
{
    for (int32_t i = 0; i < count; i++) {
        const uint32_t x = in[i] << shift;
        if (x <= 1) {
            out[i] = 0;
            continue;
        }
        const int32_t whole = tinyc_bit_length(x) - 1;
        const uint32_t rest = x - ((uint32_t)1 << whole);
        const int32_t fraction =
            (int32_t)(whole < 16 ? rest << (16 - whole) : rest >> (whole - 16));
        const int32_t step = fraction >> 9;
        const int32_t slope = table[step + 1] - table[step];
        const int32_t rise = (slope * (fraction - (step << 9))) >> 16;
        const uint32_t log2 = (uint32_t)((whole << 16) + fraction + table[step] + rise);
        const uint32_t natural = (uint32_t)(((uint64_t)45426 * log2 + 32768U) >> 16);
        const uint32_t y = (scale * natural + 32768U) >> 16;
        out[i] = (int16_t)(y < INT16_MAX ? y : INT16_MAX);
    }
}

#endif
