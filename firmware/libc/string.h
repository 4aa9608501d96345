/* For a freestanding compiler that has no C library: what generated code uses of it. */
#ifndef TINYC_STRING_H
#define TINYC_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

#endif
