/* Second stage of the RP2040's boot: the first 256 bytes of its flash, which the boot ROM copies to
 * the SRAM, checks and starts there, with the flash readable but slow. Lets the flash be executed
 * by its plain read command (03h), at a quarter of the core's clock: any flash knows it, up to 50
 * MHz. RP2040 datasheet 2.8.1.3 (boot2 and its checksum), 2.6.3 (flash), 4.10.13 (SSI's registers).
 */
#include <stdint.h>

#include "tinyc_port.h"

void tinyc_boot2(void);

/* Position independent: it is not where it was linked. The last word is the CRC-32 of the 252 bytes
 * before it (polynomial 0x04C11DB7, from 0xFFFFFFFF, most significant bit first). */
__attribute__((naked, used, section(".boot2"))) void tinyc_boot2(void)
{
    __asm__ volatile(
        ".syntax unified\n"
        "0:\n\t"
        "ldr  r0, 1f\n\t"
        "movs r1, #0\n\t"
        "str  r1, [r0, #0x08]\n\t" /* SSIENR: off, to be set up */
        "movs r2, #4\n\t"
        "str  r2, [r0, #0x14]\n\t" /* BAUDR: the clock / 4 */
        "ldr  r2, 2f\n\t"
        "str  r2, [r0, #0x00]\n\t" /* CTRLR0 */
        "str  r1, [r0, #0x04]\n\t" /* CTRLR1: one frame for an access */
        "ldr  r2, 3f\n\t"
        "ldr  r3, 4f\n\t"
        "str  r2, [r3, #0]\n\t" /* SPI_CTRLR0 */
        "movs r2, #1\n\t"
        "str  r2, [r0, #0x08]\n\t" /* SSIENR: on */
        "ldr  r0, 5f\n\t"
        "ldr  r1, 6f\n\t"
        "str  r0, [r1, #0]\n\t" /* VTOR: the vectors after this */
        "ldr  r1, [r0, #0]\n\t"
        "ldr  r2, [r0, #4]\n\t"
        "msr  msp, r1\n\t"
        "bx   r2\n\t"
        ".balign 4, 0\n"
        "1: .word 0x18000000\n" /* the SSI */
        "2: .word 0x001F0300\n" /* DFS_32: frames of 32 bits; TMOD: send, then read */
        "3: .word 0x03000218\n" /* XIP_CMD: 03h; INST_L: 8 bits; ADDR_L: 24 bits */
        "4: .word 0x180000F4\n"
        "5: .word 0x10000100\n"
        "6: .word 0xE000ED08\n\t"
        ".org 0b + 252\n\t"
        ".word 0xC0A460B2\n");
}
