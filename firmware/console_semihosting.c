/* Console and files through semihosting, for the test image in an emulator or a debugger. */
#include "semihosting.h"
#include "tinyc_port.h"

enum { SYS_OPEN = 1, SYS_CLOSE = 2, SYS_WRITE0 = 4, SYS_WRITE = 5, SYS_READ = 6, SYS_EXIT = 0x18 };

#define STOPPED_APPLICATION_EXIT 0x20026U
#define STOPPED_RUN_TIME_ERROR   0x20023U

static uint32_t call(uint32_t operation, uint32_t argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register uint32_t r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t call_block(uint32_t operation, uint32_t a, uint32_t b, uint32_t c)
{
    const volatile uint32_t block[3] = {a, b, c};
    return call(operation, (uint32_t)(uintptr_t)block);
}

void tinyc_print(const char *text)
{
    (void)call(SYS_WRITE0, (uint32_t)(uintptr_t)text);
}

void tinyc_stop(int status)
{
    (void)call(SYS_EXIT, status == 0 ? STOPPED_APPLICATION_EXIT : STOPPED_RUN_TIME_ERROR);
}

int32_t tinyc_open(const char *name, enum tinyc_open_mode mode)
{
    uint32_t length = 0;
    while (name[length] != '\0') {
        length++;
    }
    return (int32_t)call_block(SYS_OPEN, (uint32_t)(uintptr_t)name, mode, length);
}

uint32_t tinyc_read(int32_t handle, void *to, uint32_t bytes)
{
    return call_block(SYS_READ, (uint32_t)handle, (uint32_t)(uintptr_t)to, bytes);
}

uint32_t tinyc_write(int32_t handle, const void *from, uint32_t bytes)
{
    return call_block(SYS_WRITE, (uint32_t)handle, (uint32_t)(uintptr_t)from, bytes);
}

void tinyc_close(int32_t handle)
{
    (void)call_block(SYS_CLOSE, (uint32_t)handle, 0, 0);
}
