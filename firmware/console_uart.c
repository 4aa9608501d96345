/* Console over a UART that is told by its registers (tinyc_uart.h, made of the board's TOML). */
#include "tinyc_port.h"
#include "tinyc_uart.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

struct field {
    uint32_t address, mask, value;
};

static const struct field setup[] = TINYC_UART_SETUP;
static const struct field ready = TINYC_UART_READY;

static void await_ready(void)
{
    while ((REGISTER(ready.address) & ready.mask) != ready.value) {
    }
}

static void send(uint8_t byte)
{
#if TINYC_UART_READY_IS_EVENT
    REGISTER(TINYC_UART_DATA) = byte;
    await_ready();
    REGISTER(ready.address) &= ~ready.mask;
#else
    await_ready();
    REGISTER(TINYC_UART_DATA) = byte;
#endif
}

void tinyc_print(const char *text)
{
    for (uint32_t i = 0; i < sizeof setup / sizeof setup[0]; i++) {
        const uint32_t kept = REGISTER(setup[i].address) & ~setup[i].mask;
        REGISTER(setup[i].address) = kept | setup[i].value;
    }
    while (*text != '\0') {
        send((uint8_t)*text++);
    }
}

void tinyc_stop(int status)
{
    (void)status;
}
