/* Hooks of the counting run, in C because a callback in Python costs ten times as much. They
 * count how often each block runs in each layer and how often the branch at its end is taken,
 * and note the first access that a core without unaligned access would refuse. */
#include <stdint.h>

enum { KEEP = 0, RUN = 0xFFFF, OUTSIDE = 0xFFFE };

struct counter {
    uint64_t base, halfwords; /* the code that is counted */
    uint64_t run_entry;       /* counting starts here ... */
    const uint16_t *owner;    /* ... and ends in OUTSIDE: layer + 1, or one of the above */
    uint64_t *count, *taken;  /* [layer][halfword], layer 0 is the run function itself */
    uint32_t *size;           /* bytes of the block that starts at a halfword */
    uint64_t previous_end, previous_slot;
    uint64_t block;                      /* where the running block starts */
    uint64_t unaligned, unaligned_block; /* address of that access, and its block */
    uint32_t active, current;
};

void tinyc_count_block(void *uc, uint64_t address, uint32_t size, struct counter *c)
{
    const uint64_t index = (address - c->base) >> 1;
    (void)uc;
    c->block = address;
    if (c->active && c->previous_end != 0 && address != c->previous_end) {
        c->taken[c->previous_slot]++;
    }
    c->previous_end = 0;
    if (address < c->base || index >= c->halfwords) {
        return;
    }
    const uint16_t owner = c->owner[index];
    if (address == c->run_entry) {
        c->active = 1;
    }
    if (owner == OUTSIDE) {
        c->active = 0;
    } else if (owner == RUN) {
        c->current = 0;
    } else if (owner != KEEP) {
        c->current = owner;
    }
    if (c->active) {
        const uint64_t slot = c->current * c->halfwords + index;
        c->count[slot]++;
        c->size[index] = size;
        c->previous_slot = slot;
        c->previous_end = address + size;
    }
}

void tinyc_check_access(void *uc, int type, uint64_t address, int size, int64_t value,
                        struct counter *c)
{
    (void)uc;
    (void)type;
    (void)value;
    if (size != 0 && address % (uint64_t)size != 0 && c->unaligned_block == 0) {
        c->unaligned = address;
        c->unaligned_block = c->block;
    }
}
