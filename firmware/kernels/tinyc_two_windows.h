/* The windows of two pixels side by side, which overlap, as the columns that tinyc_halves.h reads:
 * what both see is read and widened once. */
#ifndef TINYC_TWO_WINDOWS_H
#define TINYC_TWO_WINDOWS_H

#include "tinyc_dsp.h"
#include "tinyc_window.h"

/* Of a row, bytes that one window sees alone, on either side, and that both see, multiples of 16;
 * rows; bytes from one of the image to the next one. */
struct tinyc_two_windows {
    int32_t alone, both;
    int32_t rows, step;
};

#if TINYC_DSP

/* 16 bytes, widened. put: what brings a register to a place of the columns. */
#define TINYC_WIDEN_QUADS(put) \
    "ldr    r4, [r1], #4\n\t"           \
    "ldr    r5, [r1], #4\n\t"           \
    "ldr    r6, [r1], #4\n\t"           \
    "ldr    r7, [r1], #4\n\t"           \
    "sxtb16 r8, r4\n\t"                 \
    "sxtb16 r4, r4, ror #8\n\t"         \
    put("r8", "0")                      \
    "sxtb16 r8, r5\n\t"                 \
    put("r4", "8")                      \
    "sxtb16 r5, r5, ror #8\n\t"         \
    put("r8", "16")                     \
    "sxtb16 r8, r6\n\t"                 \
    put("r5", "24")                     \
    "sxtb16 r6, r6, ror #8\n\t"         \
    put("r8", "32")                     \
    "sxtb16 r8, r7\n\t"                 \
    put("r6", "40")                     \
    "sxtb16 r7, r7, ror #8\n\t"         \
    put("r8", "48")                     \
    put("r7", "56")

#define TINYC_PUT_ONE(from, at)   "str    " from ", [r0, #" at "]\n\t"
#define TINYC_PUT_OTHER(from, at) "str    " from ", [lr, #" at "]\n\t"
#define TINYC_PUT_BOTH(from, at)  TINYC_PUT_ONE(from, at) TINYC_PUT_OTHER(from, at)

/* r0, lr: columns of the first and of the second window; r1: image; r2: bytes that one sees alone;
 * r3: those of both; r9: rows; r10: from the end of what is seen of a row to the next one. */
__attribute__((naked, noinline, unused)) static void tinyc_widen_two(
    __attribute__((unused)) uint32_t *columns, __attribute__((unused)) const int8_t *image,
    __attribute__((unused)) const struct tinyc_two_windows *windows)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r4-r10, lr}\n\t"
        "ldr    r3, [r2, #4]\n\t"
        "ldr    r9, [r2, #8]\n\t"
        "ldr    r10, [r2, #12]\n\t"
        "ldr    r2, [r2]\n\t"
        "add    lr, r0, #4\n\t"
        "sub    r10, r10, r3\n\t"
        "sub    r10, r10, r2, lsl #1\n"
        "1:\n\t"
        "mov    r12, r2\n"
        "2:\n\t" TINYC_WIDEN_QUADS(TINYC_PUT_ONE)
        "add    r0, #64\n\t"
        "subs   r12, #16\n\t"
        "bne    2b\n\t"
        "mov    r12, r3\n"
        "3:\n\t" TINYC_WIDEN_QUADS(TINYC_PUT_BOTH)
        "add    r0, #64\n\t"
        "add    lr, #64\n\t"
        "subs   r12, #16\n\t"
        "bne    3b\n\t"
        "mov    r12, r2\n"
        "4:\n\t" TINYC_WIDEN_QUADS(TINYC_PUT_OTHER)
        "add    lr, #64\n\t"
        "subs   r12, #16\n\t"
        "bne    4b\n\t"
        "add    r1, r10\n\t"
        "subs   r9, #1\n\t"
        "bne    1b\n\t"
        "pop    {r4-r10, pc}\n\t");
}

#else

static TINYC_SHARED void tinyc_widen_two(uint32_t *columns, const int8_t *image,
                                         const struct tinyc_two_windows *windows)
{
    const int32_t size = windows->alone + windows->both;

    for (int32_t row = 0; row < windows->rows; row++, image += windows->step) {
        for (int32_t k = 0; k < size; k += 4, columns += 4) {
            for (int32_t i = 0; i < 2; i++) {
                const uint32_t quad = tinyc_load4(image + i * windows->alone + k);
                columns[i] = tinyc_sxtb16(quad);
                columns[i + 2] = tinyc_sxtb16_ror8(quad);
            }
        }
    }
}

#endif

#endif
