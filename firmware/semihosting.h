/* Arm semihosting (IHI: "Semihosting for AArch32 and AArch64", 2.0): BKPT 0xAB on M profile. */
#ifndef TINYC_SEMIHOSTING_H
#define TINYC_SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

enum tinyc_open_mode { TINYC_READ_BINARY = 1, TINYC_WRITE_BINARY = 5 };

/* A handle, negative where the file cannot be opened. */
int32_t tinyc_open(const char *name, enum tinyc_open_mode mode);

/* Bytes that were not read or written. */
uint32_t tinyc_read(int32_t handle, void *to, uint32_t bytes);
uint32_t tinyc_write(int32_t handle, const void *from, uint32_t bytes);
void tinyc_close(int32_t handle);

#endif
