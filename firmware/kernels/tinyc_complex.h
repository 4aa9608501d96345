/* Complex numbers of fixed point, whose parts keep their low bits, with Kiss FFT's roundings. */
#ifndef TINYC_COMPLEX_H
#define TINYC_COMPLEX_H

#include "tinyc_base.h"

/* scalar: of a part, of which 2^bits - 1 stands for one; wide: holds products. */
#define TINYC_DEFINE_COMPLEX(kind, scalar, wide, bits)                                             \
    struct tinyc_complex_##kind {                                                                  \
        scalar r, i;                                                                               \
    };                                                                                             \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_complex_##kind(wide r, wide i)                  \
    {                                                                                              \
        const struct tinyc_complex_##kind z = {(scalar)r, (scalar)i};                              \
        return z;                                                                                  \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_load_##kind(const scalar *p)                \
    {                                                                                              \
        return tinyc_complex_##kind(p[0], p[1]);                                                   \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE void tinyc_fft_store_##kind(scalar *p, struct tinyc_complex_##kind z)             \
    {                                                                                              \
        p[0] = z.r;                                                                                \
        p[1] = z.i;                                                                                \
    }                                                                                              \
                                                                                                   \
    /* Products, rounded. */                                                                       \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_rounded_##kind(wide r, wide i)              \
    {                                                                                              \
        const wide half = (wide)1 << ((bits) - 1);                                                 \
        return tinyc_complex_##kind((r + half) >> (bits), (i + half) >> (bits));                   \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_times_##kind(struct tinyc_complex_##kind a, \
                                                                    struct tinyc_complex_##kind b) \
    {                                                                                              \
        return tinyc_fft_rounded_##kind((wide)a.r * b.r - (wide)a.i * b.i,                         \
                                        (wide)a.r * b.i + (wide)a.i * b.r);                        \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_scale_##kind(struct tinyc_complex_##kind a, \
                                                                    scalar factor)                 \
    {                                                                                              \
        return tinyc_fft_rounded_##kind((wide)a.r * factor, (wide)a.i * factor);                   \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_divide_##kind(                              \
        struct tinyc_complex_##kind a, int32_t divisor)                                            \
    {                                                                                              \
        const wide one = ((wide)1 << (bits)) - 1;                                                  \
        return tinyc_fft_scale_##kind(a, (scalar)(one / divisor));                                 \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_half_##kind(struct tinyc_complex_##kind a)  \
    {                                                                                              \
        return tinyc_complex_##kind(a.r >> 1, a.i >> 1);                                           \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_conjugate_##kind(                           \
        struct tinyc_complex_##kind a)                                                             \
    {                                                                                              \
        return tinyc_complex_##kind(a.r, -(wide)a.i);                                              \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_plus_##kind(struct tinyc_complex_##kind a,  \
                                                                   struct tinyc_complex_##kind b)  \
    {                                                                                              \
        return tinyc_complex_##kind((wide)a.r + b.r, (wide)a.i + b.i);                             \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_minus_##kind(struct tinyc_complex_##kind a, \
                                                                    struct tinyc_complex_##kind b) \
    {                                                                                              \
        return tinyc_complex_##kind((wide)a.r - b.r, (wide)a.i - b.i);                             \
    }                                                                                              \
                                                                                                   \
    /* a + i * b, and a - i * b. */                                                                \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_plus_i_##kind(                              \
        struct tinyc_complex_##kind a, struct tinyc_complex_##kind b)                              \
    {                                                                                              \
        return tinyc_complex_##kind((wide)a.r - b.i, (wide)a.i + b.r);                             \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_minus_i_##kind(                             \
        struct tinyc_complex_##kind a, struct tinyc_complex_##kind b)                              \
    {                                                                                              \
        return tinyc_complex_##kind((wide)a.r + b.i, (wide)a.i - b.r);                             \
    }                                                                                              \
                                                                                                   \
    /* (a + b) / 2 and the conjugate of (a - b) / 2, of sums in 32 bits, rounded down. */          \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_half_sum_##kind(                            \
        struct tinyc_complex_##kind a, struct tinyc_complex_##kind b)                              \
    {                                                                                              \
        return tinyc_complex_##kind((int32_t)((wide)a.r + b.r) >> 1,                               \
                                    (int32_t)((wide)a.i + b.i) >> 1);                              \
    }                                                                                              \
                                                                                                   \
    TINYC_INLINE struct tinyc_complex_##kind tinyc_fft_half_mirror_##kind(                         \
        struct tinyc_complex_##kind a, struct tinyc_complex_##kind b)                              \
    {                                                                                              \
        return tinyc_complex_##kind((int32_t)((wide)a.r - b.r) >> 1,                               \
                                    (int32_t)((wide)b.i - a.i) >> 1);                              \
    }

#endif
