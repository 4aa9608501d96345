/* What start-up, console and main programs share. */
#ifndef TINYC_PORT_H
#define TINYC_PORT_H

#include <stdint.h>

#define TINYC_STACK_PAINT 0xC5C5C5C5U

/* The last fault, for a debugger: exception number, stacked lr and pc, CFSR (0 on Armv6-M). */
struct tinyc_fault {
    uint32_t vector, lr, pc, status;
};
extern struct tinyc_fault tinyc_fault;

/* Deepest use of the stack since reset, in bytes. */
uint32_t tinyc_stack_used(void);

/* Clock, caches and cycle counter of the board (board.c). */
void tinyc_start(void);

/* The core's clock in Hz, and cycles of it since tinyc_start by the counter of that name. */
extern const uint32_t tinyc_clock_hz;
extern const char tinyc_counter_name[];
uint64_t tinyc_cycles(void);

/* Console of the board (console_*.c); a byte is waited for. */
void tinyc_print(const char *text);
char tinyc_receive(void);

/* In decimal (number.c). */
void tinyc_print_number(uint32_t value);

/* End the program with a status where something waits for it; else return. */
void tinyc_stop(int status);

#endif
