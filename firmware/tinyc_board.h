/* What a board is to the firmware: registers to set, to wait for, to send and receive by. */
#ifndef TINYC_BOARD_H
#define TINYC_BOARD_H

#include <stdint.h>

enum tinyc_action {
    TINYC_SET8 = 1,
    TINYC_SET16 = 2,
    TINYC_SET32 = 4,
    TINYC_WAIT8 = 0x11,
    TINYC_WAIT16 = 0x12,
    TINYC_WAIT32 = 0x14,
    TINYC_PAUSE = 0x20
};

/* The masked bits of a register take a value, or are awaited to have it; or time passes: `value`
 * turns of a loop, each of them at least a cycle. */
struct tinyc_step {
    uint32_t action, address, mask, value;
};

/* The masked bits of a register and a value of theirs. */
struct tinyc_field {
    uint32_t address, mask, value;
};

/* One direction of a UART. A byte may be written or read at `data` when `ready` holds, after
 * `clear` was set, where there is one. An event tells of each byte that is out, not before. */
struct tinyc_channel {
    struct tinyc_field ready, clear;
    uint32_t data, event;
};

struct tinyc_uart {
    const struct tinyc_step *setup;
    uint32_t steps;
    struct tinyc_channel transmit, receive;
};

/* A 32-bit timer; `capture` is set before `value` is read, where there is one. */
struct tinyc_timer {
    const struct tinyc_step *setup;
    uint32_t steps;
    struct tinyc_field capture;
    uint32_t value;
};

/* Of the board (board.c). */
extern const struct tinyc_uart tinyc_console;
extern const struct tinyc_timer tinyc_timer;

/* Take the steps in order. A bit that does not come within 100,000 reads is given up: an emulator
 * may not show it, and a board whose oscillator is dead had better run slowly than not at all. */
void tinyc_apply(const struct tinyc_step *steps, uint32_t count);

/* 1 if the field has its value. */
int tinyc_holds(const struct tinyc_field *field);

/* Give the field its value. */
void tinyc_set(const struct tinyc_field *field);

/* Instruction and data cache (caches.c). */
void tinyc_enable_caches(void);

#endif
