/* Console over the board's UART, by the registers that its board.c tells of. */
#include "tinyc_board.h"
#include "tinyc_port.h"

#define BYTE(address) (*(volatile uint32_t *)(uintptr_t)(address))

static void await(const struct tinyc_channel *channel)
{
    while (!tinyc_holds(&channel->ready)) {
        tinyc_keep_cycles();
    }
    if (channel->clear.mask != 0) {
        tinyc_set(&channel->clear);
    }
}

static void open(void)
{
    static uint8_t opened;
    if (opened == 0) {
        opened = 1;
        tinyc_apply(tinyc_console.setup, tinyc_console.steps);
    }
}

void tinyc_print(const char *text)
{
    const struct tinyc_channel *const out = &tinyc_console.transmit;
    open();
    for (; *text != '\0'; text++) {
        if (out->event == 0) {
            await(out);
        }
        BYTE(out->data) = (uint8_t)*text;
        if (out->event != 0) {
            await(out);
        }
    }
}

char tinyc_receive(void)
{
    open();
    await(&tinyc_console.receive);
    return (char)(uint8_t)BYTE(tinyc_console.receive.data);
}

void tinyc_stop(int status)
{
    (void)status;
}
