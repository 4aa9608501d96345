/* Transforms of int32. */
#ifndef TINYC_FFT_S32_H
#define TINYC_FFT_S32_H

#include "tinyc_complex.h"
#include "tinyc_fft.h"

TINYC_DEFINE_COMPLEX(s32, int32_t, int64_t, 31)

TINYC_DEFINE_FFT(s32, struct tinyc_complex_s32, int32_t, int64_t)

#endif
