/* Instruction and data cache of a core that has them: Armv7-M ARM (DDI0403E) B3.2, B2.2.7. */
#include "tinyc_board.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define CCR     REGISTER(0xE000ED14U) /* bit 16 data cache, bit 17 instruction cache on */
#define CCSIDR  REGISTER(0xE000ED80U) /* bits 27 to 13 sets - 1, 12 to 3 ways - 1, 2 to 0 line */
#define CSSELR  REGISTER(0xE000ED84U) /* which cache CCSIDR tells of: 0 is level 1, data */
#define ICIALLU REGISTER(0xE000EF50U) /* invalidates all instructions */
#define DCISW   REGISTER(0xE000EF60U) /* invalidates a line of data by set and way */

static void barrier(void)
{
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

void tinyc_enable_caches(void)
{
    barrier();
    ICIALLU = 0;
    barrier();
    CCR |= 1U << 17;
    barrier();

    if ((CCR & (1U << 16)) != 0) {
        return; /* on already: what it holds is not to be lost */
    }
    CSSELR = 0;
    barrier();
    const uint32_t geometry = CCSIDR;
    const uint32_t sets = (geometry >> 13 & 0x7FFFU) + 1;
    const uint32_t ways = (geometry >> 3 & 0x3FFU) + 1;
    const uint32_t line = (geometry & 7U) + 4; /* log2 of its bytes */
    /* The way stands in the word's highest bits, as many as number the ways. */
    uint32_t shift = 32;
    while (shift > 0 && ways > 1U << (32 - shift)) {
        shift--;
    }
    for (uint32_t set = 0; set < sets; set++) {
        for (uint32_t way = 0; way < ways; way++) {
            DCISW = (shift < 32 ? way << shift : 0) | set << line;
        }
    }
    barrier();
    CCR |= 1U << 16;
    barrier();
}
