/* No console: a debugger reads tinyc_fault. */
#include "tinyc_port.h"

void tinyc_print(const char *text)
{
    (void)text;
}

void tinyc_stop(int status)
{
    (void)status;
}
