/* The registers that few instructions of cores without Thumb-2 reach, in functions in assembly. */
#ifndef TINYC_REGISTERS_ARMV6M_H
#define TINYC_REGISTERS_ARMV6M_H

/* What a caller has in r8 to r11, into r4 to r7 to be pushed, when those have been. */
#define TINYC_HIGH_TO_LOW \
    "mov    r4, r8\n\t"   \
    "mov    r5, r9\n\t"   \
    "mov    r6, r10\n\t"  \
    "mov    r7, r11\n\t"

/* And back from the stack. */
#define TINYC_POP_HIGH   \
    "pop    {r4-r7}\n\t" \
    "mov    r8, r4\n\t"  \
    "mov    r9, r5\n\t"  \
    "mov    r10, r6\n\t" \
    "mov    r11, r7\n\t"

#endif
