/* Hooks of the counting run, in C because a callback in Python costs ten times as much. They
 * count how often each block runs in each layer and how often the branch at its end is taken,
 * how often data is read from flash and how many lines of it a cache does not hold, and note the
 * first access that a core without unaligned access would refuse. */
#include <stdint.h>

enum { KEEP = 0, RUN = 0xFFFF, OUTSIDE = 0xFFFE };

struct counter {
    uint64_t base, halfwords; /* the code that is counted */
    const uint16_t *owner;    /* layer + 1, or one of the above: from RUN to OUTSIDE is counted */
    uint64_t *count, *taken;  /* [layer][halfword], layer 0 is RUN's */
    uint32_t *size;           /* bytes of the block that starts at a halfword */
    uint64_t previous_end, previous_slot;
    uint64_t block;                      /* where the running block starts */
    uint64_t unaligned, unaligned_block; /* address of that access, and its block */
    uint32_t active, current;
    uint64_t *reads, *misses; /* [layer], of flash: data that is read, lines that the cache lacks */
    uint64_t *lines;          /* [sets][ways], 1 + the line's number, the latest used first */
    uint32_t line_bits, sets, ways; /* bytes of a line: 1 << line_bits; sets: 0 without a cache */
    uint32_t caches_code;
    int32_t cpsr; /* Unicorn's number of it, and its functions */
    int (*reg_read)(void *uc, int reg, void *value);
    int (*reg_write)(void *uc, int reg, const void *value);
};

/* The lines of [address, address + size) that were not in the cache, where they are now. */
static uint64_t misses(struct counter *c, uint64_t address, uint32_t size)
{
    uint64_t missed = 0;
    for (uint64_t line = address >> c->line_bits; line <= (address + size - 1) >> c->line_bits;
         line++) {
        uint64_t *set = &c->lines[(line & (c->sets - 1)) * c->ways];
        uint64_t moved = line + 1;
        uint32_t way = 0;
        for (uint64_t held = 0; way < c->ways && held != line + 1; way++) {
            held = set[way];
            set[way] = moved;
            moved = held;
        }
        missed += moved != line + 1;
    }
    return missed;
}

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
    if (owner == OUTSIDE) {
        c->active = 0;
    } else if (owner == RUN) {
        c->active = 1;
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
        if (c->caches_code && size != 0) {
            c->misses[c->current] += misses(c, address, size);
        }
    }
}

/* Of reads of data from flash alone. Before such a hook Unicorn restores the core's state, the IT
 * block that the read is in included, which the next block would then be taken to begin in: while
 * a block runs the state is to say that there is none. */
void tinyc_count_read(void *uc, int type, uint64_t address, int size, int64_t value,
                      struct counter *c)
{
    const uint32_t it_bits = 0x0600FC00;
    uint32_t cpsr = 0;
    (void)type;
    (void)value;
    if (c->reg_read(uc, c->cpsr, &cpsr) == 0 && (cpsr & it_bits) != 0) {
        cpsr &= ~it_bits;
        (void)c->reg_write(uc, c->cpsr, &cpsr);
    }
    if (c->active) {
        c->reads[c->current]++;
        if (c->sets != 0) {
            c->misses[c->current] += misses(c, address, (uint32_t)size);
        }
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
