/* Registers as a board's tables tell of them. */
#include "tinyc_board.h"

#define REGISTER8(address)  (*(volatile uint8_t *)(uintptr_t)(address))
#define REGISTER16(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define REGISTER32(address) (*(volatile uint32_t *)(uintptr_t)(address))

enum { WAIT = 0x10, MOST_READS = 100000 };

static uint32_t load(uint32_t bytes, uint32_t address)
{
    return bytes == 4 ? REGISTER32(address) : bytes == 2 ? REGISTER16(address) : REGISTER8(address);
}

static void store(uint32_t bytes, uint32_t address, uint32_t value)
{
    if (bytes == 4) {
        REGISTER32(address) = value;
    } else if (bytes == 2) {
        REGISTER16(address) = (uint16_t)value;
    } else {
        REGISTER8(address) = (uint8_t)value;
    }
}

void tinyc_apply(const struct tinyc_step *steps, uint32_t count)
{
    for (const struct tinyc_step *s = steps; s < steps + count; s++) {
        const uint32_t bytes = s->action & ~(uint32_t)WAIT;
        if (s->action == TINYC_PAUSE) {
            for (volatile uint32_t i = 0; i < s->value; i++) {
            }
        } else if ((s->action & WAIT) != 0) {
            for (uint32_t i = 0; i < MOST_READS; i++) {
                if ((load(bytes, s->address) & s->mask) == s->value) {
                    break;
                }
            }
        } else {
            /* A register written whole is not read first: it may be for writing alone. */
            const uint32_t kept = s->mask == UINT32_MAX ? 0 : load(bytes, s->address) & ~s->mask;
            store(bytes, s->address, kept | s->value);
        }
    }
    /* What follows finds it so, whatever memory a step has mapped. */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

int tinyc_holds(const struct tinyc_field *field)
{
    return (REGISTER32(field->address) & field->mask) == field->value;
}

void tinyc_set(const struct tinyc_field *field)
{
    REGISTER32(field->address) = (REGISTER32(field->address) & ~field->mask) | field->value;
}
