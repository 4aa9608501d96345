/* What each file of kernels begins with. */
#ifndef TINYC_BASE_H
#define TINYC_BASE_H

#include <stdint.h>
#include <string.h>

/* Whether the core has two instructions in a cycle, such as a load beside a product. */
#ifndef TINYC_DUAL_ISSUE
#define TINYC_DUAL_ISSUE 0
#endif

/* Each layer keeps a symbol of its own, so that debuggers and profilers can name it; what it is
 * made for is inlined there (flatten), also where it is known by a pointer. */
#if defined(__GNUC__)
#define TINYC_LAYER  __attribute__((noinline, used, flatten))
#define TINYC_SHARED __attribute__((noinline, unused))
#define TINYC_INLINE static inline __attribute__((always_inline, unused))
#else
#define TINYC_LAYER
#define TINYC_SHARED
#define TINYC_INLINE static inline
#endif

/* What other functions are handed a pointer to: not inlined at any price, as GCC refuses to compile
 * what it cannot inline, and follows no pointer without optimization or for debugging. */
#if defined(__GNUC__)
#define TINYC_HANDED static inline __attribute__((unused))
#else
#define TINYC_HANDED static inline
#endif

/* Whether something holds that the compiler sees to hold. */
#if defined(__GNUC__)
#define TINYC_KNOWN(condition) (__builtin_constant_p(condition) && (condition))
#else
#define TINYC_KNOWN(condition) (condition)
#endif

/* Whether code is to be small rather than fast. */
#ifndef TINYC_SMALL
#define TINYC_SMALL 0
#endif

/* Write the passes of the loop that follows one after another, up to so many. */
#define TINYC_PRAGMA(text) _Pragma(#text)
#if TINYC_SMALL && defined(__clang__)
#define TINYC_UNROLL(count) TINYC_PRAGMA(nounroll)
#elif TINYC_SMALL
#define TINYC_UNROLL(count)
#elif defined(__clang__)
#define TINYC_UNROLL(count) TINYC_PRAGMA(unroll count)
#elif defined(__GNUC__)
#define TINYC_UNROLL(count) TINYC_PRAGMA(GCC unroll count)
#else
#define TINYC_UNROLL(count)
#endif

/* What a macro stands for, as a string. */
#define TINYC_TEXT_OF(text) #text
#define TINYC_TEXT(macro)   TINYC_TEXT_OF(macro)

/* Keeps the compiler from loading what it would then have to spill. */
#if defined(__GNUC__)
#define TINYC_FENCE __asm__ volatile("" ::: "memory")
#else
#define TINYC_FENCE
#endif

/* Keeps it from knowing where `x` comes from: it would widen it there, and multiply in 64 bits. */
#if defined(__GNUC__)
#define TINYC_OPAQUE(x) __asm__("" : "+r"(x))
#else
#define TINYC_OPAQUE(x)
#endif

#endif
