/* The core's cycles by its SysTick: 24 bits that count down, and an interrupt at each end.
 * Armv7-M ARM (DDI0403E) B3.3, Armv6-M ARM (DDI0419E) B3.3. */
#include "tinyc_port.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define SYST_CSR REGISTER(0xE000E010U) /* bit 0 on, bit 1 interrupt, bit 2 the core's clock */
#define SYST_RVR REGISTER(0xE000E014U) /* where it starts again */
#define SYST_CVR REGISTER(0xE000E018U) /* a write clears it */

#define LARGEST 0xFFFFFFU

static volatile uint32_t rounds;

void SysTick_Handler(void);

void SysTick_Handler(void)
{
    rounds++;
}

void tinyc_start_counter(void)
{
    SYST_CSR = 4;
    SYST_RVR = LARGEST;
    SYST_CVR = 0;
    SYST_CSR = 7;
    while (SYST_CVR == 0) { /* the first round begins with the next cycle, in QEMU when it can */
    }
}

void tinyc_keep_cycles(void)
{
}

uint64_t tinyc_cycles(void)
{
    uint32_t before, left;
    do { /* a round that ends in between is seen by its number */
        before = rounds;
        left = SYST_CVR;
    } while (before != rounds);
    /* The interrupt comes as the count gets to 0, which so is a round's first number. */
    return (uint64_t)before * (LARGEST + 1U) + ((0U - left) & LARGEST);
}
