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

/* 1 once the stack has come closer to the variables below it than these bytes, or into them. */
#define TINYC_STACK_LEAST 16U
int tinyc_stack_full(void);

/* Clock, external memory and caches of the board (board.c): start-up's first, so without .data
 * and .bss. */
void tinyc_start_board(void);

/* The core's clock in Hz (board.c), and cycles of it since the counter's start (counter_*.c). */
extern const uint32_t tinyc_clock_hz;
extern const char tinyc_counter_name[];
void tinyc_start_counter(void);
uint64_t tinyc_cycles(void);

/* To be called while time passes: counts the rounds of a counter that has no interrupt. */
void tinyc_keep_cycles(void);

/* Console of the board (console_*.c); a byte is waited for. */
void tinyc_print(const char *text);
char tinyc_receive(void);

/* In decimal (number.c). */
void tinyc_print_number(uint32_t value);

/* End the program with a status where something waits for it; else return. */
void tinyc_stop(int status);

#endif
