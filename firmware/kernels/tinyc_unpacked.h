/* Where constants lie that have been unpacked. */
#ifndef TINYC_UNPACKED_H
#define TINYC_UNPACKED_H

#include "tinyc_base.h"

/* An array that was unpacked so many bytes behind where `layer` lies. */
#define TINYC_UNPACKED(type, layer, at) \
    ((const type *)(const void *)((const uint8_t *)(layer) + (at)))

#endif
