/* Bytes that are moved to where others were. */
#ifndef TINYC_MOVE_ROWS_H
#define TINYC_MOVE_ROWS_H

#include "tinyc_base.h"

#if defined(__GNUC__)
typedef uint32_t __attribute__((may_alias)) tinyc_row_word;
#else
typedef uint32_t tinyc_row_word;
#endif

TINYC_INLINE void tinyc_move_four(tinyc_row_word *to, const tinyc_row_word *from)
{
    const uint32_t a = from[0];
    const uint32_t b = from[1];
    const uint32_t c = from[2];
    const uint32_t d = from[3];
    to[0] = a;
    to[1] = b;
    to[2] = c;
    to[3] = d;
}

/* To a place before them, or to another one: four words at once, as loads that follow each other
 * take half the time. */
static TINYC_SHARED void tinyc_move_rows(void *to, const void *from, int32_t bytes)
{
    tinyc_row_word *word = to;
    const tinyc_row_word *source = from;
    int32_t left = bytes;

    if ((((uintptr_t)to | (uintptr_t)from) & 3U) != 0) {
        memmove(to, from, (size_t)bytes);
        return;
    }
    for (; left >= 32; left -= 32, word += 8, source += 8) {
        tinyc_move_four(word, source);
        tinyc_move_four(word + 4, source + 4);
    }
    if (left >= 16) {
        tinyc_move_four(word, source);
        left -= 16;
        word += 4;
        source += 4;
    }
    if (left > 0) {
        memmove(word, source, (size_t)left);
    }
}

#endif
