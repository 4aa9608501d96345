/* For a freestanding compiler that has no C library: what generated code uses of it. */
#ifndef TINYC_LIBC_MATH_H
#define TINYC_LIBC_MATH_H

float expf(float x);
float tanhf(float x);
float floorf(float x);
float roundf(float x);
float fabsf(float x);
float sqrtf(float x);

#endif
