/* For a freestanding compiler that has no C library: what generated code uses of it. */
#ifndef TINYC_LIBC_MATH_H
#define TINYC_LIBC_MATH_H

#define INFINITY (__builtin_inff())

double floor(double x);
float ceilf(float x);
float cosf(float x);
float erfcf(float x);
float erff(float x);
float expf(float x);
float expm1f(float x);
float fabsf(float x);
float floorf(float x);
float fmodf(float x, float y);
float logf(float x);
float powf(float x, float y);
float rintf(float x);
float roundf(float x);
float sinf(float x);
float sqrtf(float x);
float tanhf(float x);

#endif
