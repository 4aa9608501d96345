/* Transforms of int16. */
#ifndef TINYC_FFT_S16_H
#define TINYC_FFT_S16_H

#include "tinyc_complex.h"
#include "tinyc_fft.h"

TINYC_DEFINE_COMPLEX(s16, int16_t, int32_t, 15)

TINYC_DEFINE_FFT(s16, struct tinyc_complex_s16, int16_t, int32_t)

#endif
