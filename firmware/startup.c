/* Reset, vector table and fault handlers of every Cortex-M. */
#include <stdint.h>

#include "tinyc_port.h"

extern uint32_t __stack_top[], __bss_start[], __bss_end[];

/* What has its initial values elsewhere (linker.ld). */
struct copy {
    const uint32_t *from;
    uint32_t *to, *end;
};
extern const struct copy __copy_table[], __copy_table_end[];

int main(void);
void Reset_Handler(void);
void Fault_Handler(void);
void SysTick_Handler(void);
void tinyc_report_fault(const uint32_t *frame, uint32_t vector);

struct tinyc_fault tinyc_fault;

/* Armv7-M ARM B3.2.22 and B3.2.15: CPACR (0xE000ED88) bits 20 to 23 open the FPU. */
#define CPACR (*(volatile uint32_t *)0xE000ED88U)
#define CFSR  (*(volatile uint32_t *)0xE000ED28U)

/* Where no board.c is linked. */
__attribute__((weak)) void tinyc_start_board(void)
{
}

__attribute__((noreturn)) void Reset_Handler(void)
{
#if defined(__ARM_FP)
    CPACR |= 0xFU << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    tinyc_start_board();
    for (const struct copy *copy = __copy_table; copy != __copy_table_end; copy++) {
        const uint32_t *from = copy->from;
        for (uint32_t *to = copy->to; to != copy->end;) {
            *to++ = *from++;
        }
    }
    for (uint32_t *to = __bss_start; to != __bss_end;) {
        *to++ = 0;
    }
    /* All below the stack pointer: what was called has returned, so nothing of it is in use. */
    const uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    for (volatile uint32_t *to = __bss_end; to < sp; to++) {
        *to = TINYC_STACK_PAINT;
    }
    (void)main();
    for (;;) {
        __asm__ volatile("wfi");
    }
}

uint32_t tinyc_stack_used(void)
{
    const uint32_t *p = __bss_end;
    while (p != __stack_top && *p == TINYC_STACK_PAINT) {
        p++;
    }
    return (uint32_t)((const uint8_t *)__stack_top - (const uint8_t *)p);
}

int tinyc_stack_full(void)
{
    for (uint32_t i = 0; i < TINYC_STACK_LEAST / 4U; i++) {
        const uint32_t *const word = __bss_end + i;
        if (word >= __stack_top || *word != TINYC_STACK_PAINT) {
            return 1;
        }
    }
    return 0;
}

static void print_hex(const char *label, uint32_t value)
{
    char digits[] = "0x00000000";
    for (int i = 9; i > 1; i--, value >>= 4) {
        digits[i] = "0123456789abcdef"[value & 15U];
    }
    tinyc_print(label);
    tinyc_print(digits);
}

/* Says where: the stacked pc and lr, the vector and, where the core has it, the fault status. */
__attribute__((used, noreturn)) void tinyc_report_fault(const uint32_t *frame, uint32_t vector)
{
    tinyc_fault.vector = vector;
    tinyc_fault.lr = frame[5];
    tinyc_fault.pc = frame[6];
#if __ARM_ARCH > 6 && !defined(__ARM_ARCH_6M__)
    tinyc_fault.status = CFSR;
#endif
    print_hex("fault: pc ", tinyc_fault.pc);
    print_hex(" lr ", tinyc_fault.lr);
    print_hex(" vector ", vector);
    print_hex(" status ", tinyc_fault.status);
    tinyc_print("\n");
    tinyc_stop(1);
    for (;;) {
        __asm__ volatile("wfi");
    }
}

/* The frame lies on the main stack: nothing here runs on the process stack. */
__attribute__((naked, used)) void Fault_Handler(void)
{
    __asm__ volatile(
        "mov  r0, sp\n\t"
        "mrs  r1, ipsr\n\t"
        "bl   tinyc_report_fault\n\t");
}

/* Of counter_systick.c, where it is linked. */
__attribute__((weak, alias("Fault_Handler"))) void SysTick_Handler(void);

__attribute__((used, section(".vectors"))) void (*const tinyc_vectors[16])(void) = {
    (void (*)(void))(uintptr_t)__stack_top, /* initial stack pointer */
    Reset_Handler,
    Fault_Handler, /* NMI */
    Fault_Handler, /* HardFault */
    Fault_Handler, /* MemManage */
    Fault_Handler, /* BusFault */
    Fault_Handler, /* UsageFault */
    Fault_Handler, /* SecureFault */
    0,
    0,
    0,
    Fault_Handler, /* SVCall */
    Fault_Handler, /* DebugMonitor */
    0,
    Fault_Handler, /* PendSV */
    SysTick_Handler,
};
