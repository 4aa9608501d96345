/* A plugin of QEMU's TCG, API version 1 (QEMU 4.2 and later): counts the instructions of calls of
 * some functions, callees included, and writes the number to a file after each.
 *
 * The declarations below are those of the few functions that it needs, by their documentation
 * (QEMU, docs/devel/tcg-plugins.rst), so that no header of QEMU's has to be installed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum { NO_REGISTERS = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned, void *),
                                          int flags, void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { ENTRIES = 4 };

static uint64_t entry[ENTRIES], outside_low, outside_high, skip_low, skip_high, instructions;
static int entries, inside;
static char path[4096];

struct block {
    uint64_t address, instructions;
};

static void run_block(unsigned cpu, void *data)
{
    const struct block *block = data;
    (void)cpu;
    for (int i = 0; i < entries; i++) {
        inside |= block->address == entry[i];
    }
    if (!inside) {
        return;
    }
    if (block->address >= outside_low && block->address < outside_high) {
        FILE *file = fopen(path, "w");
        inside = 0;
        if (file != NULL) {
            fprintf(file, "%llu\n", (unsigned long long)instructions);
            fclose(file);
        }
        return;
    }
    if (block->address < skip_low || block->address >= skip_high) {
        instructions += block->instructions;
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct block *block = malloc(sizeof *block); /* lives as long as the translation may */
    (void)id;
    if (block != NULL) {
        block->address = qemu_plugin_tb_vaddr(tb);
        block->instructions = qemu_plugin_tb_n_insns(tb);
        qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, NO_REGISTERS, block);
    }
}

/* Arguments: entry=, low=, high= (addresses: of each function, and their caller's range), path=,
 * and skiplow=, skiphigh= (the interrupt handler, which is not of the functions). */
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const void *info, int argc,
                                                               char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (value == NULL) {
            return -1;
        }
        value++;
        if (strncmp(argv[i], "entry=", 6) == 0 && entries < ENTRIES) {
            entry[entries++] = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "low=", 4) == 0) {
            outside_low = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "high=", 5) == 0) {
            outside_high = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "skiplow=", 8) == 0) {
            skip_low = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "skiphigh=", 9) == 0) {
            skip_high = strtoull(value, NULL, 0);
        } else if (strncmp(argv[i], "path=", 5) == 0 && strlen(value) < sizeof path) {
            strcpy(path, value);
        } else {
            return -1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    return 0;
}
