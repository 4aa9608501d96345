/* Transforms between 2 * points real numbers and points + 1 complex ones, with the butterflies and
 * the roundings of Kiss FFT (see tinyc/ops/_fft.py). */
#ifndef TINYC_FFT_H
#define TINYC_FFT_H

#include "tinyc_base.h"

/* kind: of the functions of complex numbers, that stand before; complex: what they take; scalar: of
 * tensors and tables, where a complex number is two; wide: holds the sum of two.
 *
 * A pass joins, in place, `radix` transforms of `m` points each; `passes` of one radix follow each
 * other. twiddles: powers of the root of `points`. */
#define TINYC_DEFINE_FFT(kind, complex, scalar, wide)                                              \
    /* Numbers in the order in which the first pass wants them; zeros from `length` on. */         \
    TINYC_INLINE void tinyc_fft_gather_##kind(const scalar *in, scalar *x, const int16_t *order,   \
                                              int32_t points, int32_t length)                      \
    {                                                                                              \
        for (int32_t i = 0; i < points; i++) {                                                     \
            const int32_t at = 2 * order[i];                                                       \
            *x++ = at < length ? in[at] : (scalar)0;                                               \
            *x++ = at + 1 < length ? in[at + 1] : (scalar)0;                                       \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE void tinyc_fft_radix2_##kind(scalar *x, const scalar *twiddles, int32_t points,   \
                                              int32_t m)                                           \
    {                                                                                              \
        const int32_t stride = points / (2 * m);                                                   \
        for (int32_t k = 0; k < m; k++) {                                                          \
            const complex w = tinyc_fft_load_##kind(twiddles + 2 * k * stride);                    \
            for (int32_t at = 2 * k; at < 2 * points; at += 4 * m) {                               \
                scalar *const p = x + at;                                                          \
                const complex a = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p), 2);            \
                const complex b = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 2 * m), 2);    \
                const complex t = tinyc_fft_times_##kind(b, w);                                    \
                tinyc_fft_store_##kind(p, tinyc_fft_plus_##kind(a, t));                            \
                tinyc_fft_store_##kind(p + 2 * m, tinyc_fft_minus_##kind(a, t));                   \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE void tinyc_fft_radix3_##kind(scalar *x, const scalar *twiddles, int32_t points,   \
                                              int32_t m, int32_t passes)                           \
    {                                                                                              \
        const scalar sine = twiddles[2 * (points / 3) + 1];                                        \
        for (; passes > 0; passes--, m *= 3) {                                                     \
            const int32_t stride = points / (3 * m);                                               \
            for (int32_t k = 0; k < m; k++) {                                                      \
                const scalar *const w = twiddles + 2 * k * stride;                                 \
                for (int32_t at = 2 * k; at < 2 * points; at += 6 * m) {                           \
                    scalar *const p = x + at;                                                      \
                    const complex a = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p), 3);        \
                    const complex b = tinyc_fft_times_##kind(                                      \
                        tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 2 * m), 3),              \
                        tinyc_fft_load_##kind(w));                                                 \
                    const complex c = tinyc_fft_times_##kind(                                      \
                        tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 4 * m), 3),              \
                        tinyc_fft_load_##kind(w + 2 * k * stride));                                \
                    const complex both = tinyc_fft_plus_##kind(b, c);                              \
                    const complex side =                                                           \
                        tinyc_fft_scale_##kind(tinyc_fft_minus_##kind(b, c), sine);                \
                    const complex middle = tinyc_fft_minus_##kind(a, tinyc_fft_half_##kind(both)); \
                    tinyc_fft_store_##kind(p, tinyc_fft_plus_##kind(a, both));                     \
                    tinyc_fft_store_##kind(p + 2 * m, tinyc_fft_plus_i_##kind(middle, side));      \
                    tinyc_fft_store_##kind(p + 4 * m, tinyc_fft_minus_i_##kind(middle, side));     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE void tinyc_fft_radix4_##kind(scalar *x, const scalar *twiddles, int32_t points,   \
                                              int32_t m, int32_t passes, int32_t inverse)          \
    {                                                                                              \
        for (; passes > 0; passes--, m *= 4) {                                                     \
            const int32_t stride = points / (4 * m);                                               \
            for (int32_t k = 0; k < m; k++) {                                                      \
                const complex w1 = tinyc_fft_load_##kind(twiddles + 2 * k * stride);               \
                const complex w2 = tinyc_fft_load_##kind(twiddles + 4 * k * stride);               \
                const complex w3 = tinyc_fft_load_##kind(twiddles + 6 * k * stride);               \
                for (int32_t at = 2 * k; at < 2 * points; at += 8 * m) {                           \
                    scalar *const p = x + at;                                                      \
                    const complex a = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p), 4);        \
                    const complex b = tinyc_fft_times_##kind(                                      \
                        tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 2 * m), 4), w1);         \
                    const complex c = tinyc_fft_times_##kind(                                      \
                        tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 4 * m), 4), w2);         \
                    const complex d = tinyc_fft_times_##kind(                                      \
                        tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p + 6 * m), 4), w3);         \
                    const complex even = tinyc_fft_plus_##kind(a, c);                              \
                    const complex odd = tinyc_fft_minus_##kind(a, c);                              \
                    const complex both = tinyc_fft_plus_##kind(b, d);                              \
                    const complex apart = tinyc_fft_minus_##kind(b, d);                            \
                    const complex back = tinyc_fft_minus_i_##kind(odd, apart);                     \
                    const complex forth = tinyc_fft_plus_i_##kind(odd, apart);                     \
                    tinyc_fft_store_##kind(p, tinyc_fft_plus_##kind(even, both));                  \
                    tinyc_fft_store_##kind(p + 2 * m, inverse ? forth : back);                     \
                    tinyc_fft_store_##kind(p + 4 * m, tinyc_fft_minus_##kind(even, both));         \
                    tinyc_fft_store_##kind(p + 6 * m, inverse ? back : forth);                     \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE void tinyc_fft_radix5_##kind(scalar *x, const scalar *twiddles, int32_t points,   \
                                              int32_t m, int32_t passes)                           \
    {                                                                                              \
        const scalar *const y1 = twiddles + 2 * (points / 5);                                      \
        const scalar *const y2 = twiddles + 4 * (points / 5);                                      \
        for (; passes > 0; passes--, m *= 5) {                                                     \
            const int32_t stride = points / (5 * m);                                               \
            for (int32_t k = 0; k < m; k++) {                                                      \
                for (int32_t at = 2 * k; at < 2 * points; at += 10 * m) {                          \
                    scalar *const p = x + at;                                                      \
                    const complex a = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(p), 5);        \
                    complex b[4];                                                                  \
                    for (int32_t q = 0; q < 4; q++) {                                              \
                        const complex part = tinyc_fft_load_##kind(p + 2 * (q + 1) * m);           \
                        b[q] = tinyc_fft_times_##kind(                                             \
                            tinyc_fft_divide_##kind(part, 5),                                      \
                            tinyc_fft_load_##kind(twiddles + 2 * (q + 1) * k * stride));           \
                    }                                                                              \
                    const complex outer = tinyc_fft_plus_##kind(b[0], b[3]);                       \
                    const complex inner = tinyc_fft_plus_##kind(b[1], b[2]);                       \
                    const complex far = tinyc_fft_minus_##kind(b[0], b[3]);                        \
                    const complex near = tinyc_fft_minus_##kind(b[1], b[2]);                       \
                    const complex first = tinyc_fft_plus_##kind(                                   \
                        tinyc_fft_plus_##kind(a, tinyc_fft_scale_##kind(outer, y1[0])),            \
                        tinyc_fft_scale_##kind(inner, y2[0]));                                     \
                    const complex second = tinyc_fft_plus_##kind(                                  \
                        tinyc_fft_plus_##kind(a, tinyc_fft_scale_##kind(outer, y2[0])),            \
                        tinyc_fft_scale_##kind(inner, y1[0]));                                     \
                    const complex side = tinyc_fft_plus_##kind(                                    \
                        tinyc_fft_scale_##kind(far, y1[1]), tinyc_fft_scale_##kind(near, y2[1]));  \
                    const complex other = tinyc_fft_minus_##kind(                                  \
                        tinyc_fft_scale_##kind(far, y2[1]), tinyc_fft_scale_##kind(near, y1[1]));  \
                    tinyc_fft_store_##kind(                                                        \
                        p, tinyc_fft_plus_##kind(a, tinyc_fft_plus_##kind(outer, inner)));         \
                    tinyc_fft_store_##kind(p + 2 * m, tinyc_fft_plus_i_##kind(first, side));       \
                    tinyc_fft_store_##kind(p + 4 * m, tinyc_fft_plus_i_##kind(second, other));     \
                    tinyc_fft_store_##kind(p + 6 * m, tinyc_fft_minus_i_##kind(second, other));    \
                    tinyc_fft_store_##kind(p + 8 * m, tinyc_fft_minus_i_##kind(first, side));      \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* The transform of even numbers as real parts and of odd ones as imaginary parts, to that of  \
     * them all. */                                                                                \
    TINYC_INLINE void tinyc_fft_real_##kind(scalar *x, const scalar *roots, int32_t points)        \
    {                                                                                              \
        tinyc_fft_store_##kind(x, tinyc_fft_divide_##kind(tinyc_fft_load_##kind(x), 2));           \
        x[2 * points] = (scalar)((wide)x[0] - x[1]);                                               \
        x[2 * points + 1] = (scalar)0;                                                             \
        x[0] = (scalar)((wide)x[0] + x[1]);                                                        \
        x[1] = (scalar)0;                                                                          \
        for (int32_t k = 1; k <= points / 2; k++, roots += 2) {                                    \
            scalar *const low = x + 2 * k;                                                         \
            scalar *const high = x + 2 * (points - k);                                             \
            const complex here = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(low), 2);           \
            const complex there = tinyc_fft_divide_##kind(                                         \
                tinyc_fft_conjugate_##kind(tinyc_fft_load_##kind(high)), 2);                       \
            const complex both = tinyc_fft_plus_##kind(here, there);                               \
            const complex turned = tinyc_fft_times_##kind(tinyc_fft_minus_##kind(here, there),     \
                                                          tinyc_fft_load_##kind(roots));           \
            tinyc_fft_store_##kind(low, tinyc_fft_half_sum_##kind(both, turned));                  \
            tinyc_fft_store_##kind(high, tinyc_fft_half_mirror_##kind(both, turned));              \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    /* The way back, in the order in which the first pass wants it; places: of each number. */     \
    TINYC_INLINE void tinyc_fft_complex_##kind(const scalar *in, scalar *x, const scalar *roots,   \
                                               const int16_t *places, int32_t points)              \
    {                                                                                              \
        x[0] = (scalar)((wide)in[0] + in[2 * points]);                                             \
        x[1] = (scalar)((wide)in[0] - in[2 * points]);                                             \
        tinyc_fft_store_##kind(x, tinyc_fft_divide_##kind(tinyc_fft_load_##kind(x), 2));           \
        for (int32_t k = 1; k <= points / 2; k++, roots += 2) {                                    \
            const complex mirrored = tinyc_fft_load_##kind(in + 2 * (points - k));                 \
            const complex here = tinyc_fft_divide_##kind(tinyc_fft_load_##kind(in + 2 * k), 2);    \
            const complex there =                                                                  \
                tinyc_fft_divide_##kind(tinyc_fft_conjugate_##kind(mirrored), 2);                  \
            const complex both = tinyc_fft_plus_##kind(here, there);                               \
            const complex turned = tinyc_fft_times_##kind(tinyc_fft_minus_##kind(here, there),     \
                                                          tinyc_fft_load_##kind(roots));           \
            tinyc_fft_store_##kind(x + 2 * places[k], tinyc_fft_plus_##kind(both, turned));        \
            tinyc_fft_store_##kind(                                                                \
                x + 2 * places[points - k],                                                        \
                tinyc_fft_conjugate_##kind(tinyc_fft_minus_##kind(both, turned)));                 \
        }                                                                                          \
    }

#endif
