/* The core's cycles by a 32-bit timer of the board, for a core without SysTick. */
#include "tinyc_board.h"
#include "tinyc_port.h"

static uint32_t rounds, last;

void tinyc_start_counter(void)
{
    tinyc_apply(tinyc_timer.setup, tinyc_timer.steps);
}

void tinyc_keep_cycles(void)
{
    (void)tinyc_cycles();
}

/* Right where it is called at least once in each round of the timer. */
uint64_t tinyc_cycles(void)
{
    if (tinyc_timer.capture.mask != 0) {
        tinyc_set(&tinyc_timer.capture);
    }
    const uint32_t now = *(volatile uint32_t *)(uintptr_t)tinyc_timer.value;
    rounds += now < last ? 1U : 0U;
    last = now;
    return (uint64_t)rounds << 32 | now;
}
