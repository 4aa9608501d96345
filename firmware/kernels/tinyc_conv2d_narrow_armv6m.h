/* Convolution of int8 by weights of 4 or 2 bits on cores without SIMD and without a long
 * multiplication: what four products with such weights come to fits 16 bits too, so that sums are
 * taken apart half as often as in tinyc_pairs_armv6m.h. */
#ifndef TINYC_CONV2D_NARROW_ARMV6M_H
#define TINYC_CONV2D_NARROW_ARMV6M_H

#include "tinyc_conv2d_armv6m.h"

/* `product` = an input times the weight that begins so many bits below the uppermost of r4. */
#define TINYC_NARROW_PRODUCT(product, input, below, bits) \
    "lsls   " product ", r4, #" below                     \
    "\n\t"                                                \
    "asrs   " product ", " product ", #32 - " bits        \
    "\n\t"                                                \
    "muls   " product ", " input ", " product "\n\t"

/* The same, added to `sum`; r6 is lost. */
#define TINYC_NARROW_MORE(sum, input, below, bits) \
    TINYC_NARROW_PRODUCT("r6", input, below, bits) \
    "adds   " sum ", " sum ", r6\n\t"

/* Four inputs of two pixels for two channels, whose weights `load` puts into r4. */
#define TINYC_NARROW_QUAD(load, bits) \
    load "ldm    r3!, {r1, r2}\n\t"                            \
    TINYC_NARROW_PRODUCT("r5", "r1", "32 - " bits, bits)       \
    TINYC_NARROW_MORE("r5", "r2", "32 - 2 * " bits, bits)      \
    TINYC_NARROW_PRODUCT("r7", "r1", "32 - 5 * " bits, bits)   \
    TINYC_NARROW_MORE("r7", "r2", "32 - 6 * " bits, bits)      \
    "ldm    r3!, {r1, r2}\n\t"                                 \
    TINYC_NARROW_MORE("r5", "r1", "32 - 3 * " bits, bits)      \
    TINYC_NARROW_MORE("r5", "r2", "32 - 4 * " bits, bits)      \
    TINYC_NARROW_MORE("r7", "r1", "32 - 7 * " bits, bits)      \
    TINYC_NARROW_MORE("r7", "r2", "32 - 8 * " bits, bits)      \
    "sum    r8, r9, r5\n\t"                                    \
    "sum    r10, r11, r7\n\t"
#define TINYC_QUAD_4 TINYC_NARROW_QUAD("ldm    r0!, {r4}\n\t", "4")
#define TINYC_QUAD_2          \
    TINYC_NARROW_QUAD(        \
        "ldrh   r4, [r0]\n\t" \
        "adds   r0, #2\n\t",  \
        "2")

TINYC_DEFINE_EACH_PAIR_OUTPUTS(tinyc_nibble_outputs, 4, TINYC_QUAD_4)
TINYC_DEFINE_EACH_PAIR_OUTPUTS(tinyc_crumb_outputs, 2, TINYC_QUAD_2)

#endif
