/* Numbers as text, without a C library. */
#include "tinyc_port.h"

void tinyc_print_number(uint32_t value)
{
    char digits[11];
    int i = 10;
    digits[i] = '\0';
    do {
        digits[--i] = (char)('0' + (char)(value % 10U));
        value /= 10U;
    } while (value != 0);
    tinyc_print(digits + i);
}
