/* Stand-in for Zephyr's: the console is the standard output. */
#include <stdio.h>

#define printk printf
