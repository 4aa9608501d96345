/* The three functions that compilers and generated code may call, by words where aligned. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((((uintptr_t)d | (uintptr_t)s) & 3U) == 0) {
        for (; bytes >= 4; bytes -= 4, d += 4, s += 4) {
            *(word *)(void *)d = *(const word *)(const void *)s;
        }
    }
    while (bytes-- > 0) {
        *d++ = *s++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((uintptr_t)d - (uintptr_t)s >= bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- > 0) {
        d[bytes] = s[bytes];
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    uint8_t *d = to;
    const uint32_t pattern = (uint8_t)value * 0x01010101U;
    if (((uintptr_t)d & 3U) == 0) {
        for (; bytes >= 4; bytes -= 4, d += 4) {
            *(word *)(void *)d = pattern;
        }
    }
    while (bytes-- > 0) {
        *d++ = (uint8_t)value;
    }
    return to;
}
