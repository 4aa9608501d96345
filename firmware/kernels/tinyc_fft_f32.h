/* Transforms of float32. */
#ifndef TINYC_FFT_F32_H
#define TINYC_FFT_F32_H

#include "tinyc_fft.h"

struct tinyc_complex_f32 {
    float r, i;
};

TINYC_INLINE struct tinyc_complex_f32 tinyc_complex_f32(float r, float i)
{
    const struct tinyc_complex_f32 z = {r, i};
    return z;
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_load_f32(const float *p)
{
    return tinyc_complex_f32(p[0], p[1]);
}

TINYC_INLINE void tinyc_fft_store_f32(float *p, struct tinyc_complex_f32 z)
{
    p[0] = z.r;
    p[1] = z.i;
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_times_f32(struct tinyc_complex_f32 a,
                                                          struct tinyc_complex_f32 b)
{
    return tinyc_complex_f32(a.r * b.r - a.i * b.i, a.r * b.i + a.i * b.r);
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_scale_f32(struct tinyc_complex_f32 a, float factor)
{
    return tinyc_complex_f32(a.r * factor, a.i * factor);
}

/* Only fixed point divides on the way. */
TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_divide_f32(struct tinyc_complex_f32 a,
                                                           int32_t divisor)
{
    (void)divisor;
    return a;
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_half_f32(struct tinyc_complex_f32 a)
{
    return tinyc_fft_scale_f32(a, 0.5f);
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_conjugate_f32(struct tinyc_complex_f32 a)
{
    return tinyc_complex_f32(a.r, -a.i);
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_plus_f32(struct tinyc_complex_f32 a,
                                                         struct tinyc_complex_f32 b)
{
    return tinyc_complex_f32(a.r + b.r, a.i + b.i);
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_minus_f32(struct tinyc_complex_f32 a,
                                                          struct tinyc_complex_f32 b)
{
    return tinyc_complex_f32(a.r - b.r, a.i - b.i);
}

/* a + i * b, and a - i * b. */
TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_plus_i_f32(struct tinyc_complex_f32 a,
                                                           struct tinyc_complex_f32 b)
{
    return tinyc_complex_f32(a.r - b.i, a.i + b.r);
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_minus_i_f32(struct tinyc_complex_f32 a,
                                                            struct tinyc_complex_f32 b)
{
    return tinyc_complex_f32(a.r + b.i, a.i - b.r);
}

/* (a + b) / 2, and the conjugate of (a - b) / 2. */
TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_half_sum_f32(struct tinyc_complex_f32 a,
                                                             struct tinyc_complex_f32 b)
{
    return tinyc_fft_half_f32(tinyc_fft_plus_f32(a, b));
}

TINYC_INLINE struct tinyc_complex_f32 tinyc_fft_half_mirror_f32(struct tinyc_complex_f32 a,
                                                                struct tinyc_complex_f32 b)
{
    return tinyc_fft_half_f32(tinyc_complex_f32(a.r - b.r, b.i - a.i));
}

TINYC_DEFINE_FFT(f32, struct tinyc_complex_f32, float, float)

/* What the way back leaves too large by the number of points. */
TINYC_INLINE void tinyc_fft_shrink_f32(float *x, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        x[i] /= (float)count;
    }
}

#endif
