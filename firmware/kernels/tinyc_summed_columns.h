/* The windows of pixels side by side, which overlap, in the order of the image's columns: what lies
 * in one of them under a window's rows is read, widened and summed once, for all windows that see
 * it. Of each four inputs k0 to k3 there are two words of int16, (k0, k2) and (k1, k3), one behind
 * the other or, where two pixels' lie between each other, every other word. */
#ifndef TINYC_SUMMED_COLUMNS_H
#define TINYC_SUMMED_COLUMNS_H

#include "tinyc_dsp.h"
#include "tinyc_window.h"

/* Columns of an image side by side. other: bytes from where their inputs are put to where they are
 * put as well, or 0; size: bytes of a pixel, a multiple of four; rows: at least one; down: bytes
 * from the end of a pixel to the one below it; across: to the next column from what would be the
 * end of that; gap: bytes of places that are left out behind each column; start: of sums. */
struct tinyc_summed_run {
    int32_t other, size, rows, down, across, gap, start;
};

#if TINYC_DSP

/* 16 bytes, widened, summed in r10. put: what brings a register to a place of these eight. */
#define TINYC_SUMMED_QUAD(quad, even, odd, put)                                                 \
    "sxtb16 r8, " quad                                                                          \
    "\n\t"                                                                                      \
    "sxtb16 " quad ", " quad ", ror #8\n\t" put("r8", even) "smlad  r10, r8, r11, r10\n\t" put( \
        quad, odd) "smlad  r10, " quad ", r11, r10\n\t"
#define TINYC_WIDEN_SUMMED(put)                                                       \
    "ldr    r4, [r1], #4\n\t"                                                         \
    "ldr    r5, [r1], #4\n\t"                                                         \
    "ldr    r6, [r1], #4\n\t"                                                         \
    "ldr    r7, [r1], #4\n\t" TINYC_SUMMED_QUAD("r4", "0", "1", put)                  \
        TINYC_SUMMED_QUAD("r5", "2", "3", put) TINYC_SUMMED_QUAD("r6", "4", "5", put) \
            TINYC_SUMMED_QUAD("r7", "6", "7", put)

#define TINYC_SUMMED_NEXT(from, at)  "str.w  " from ", [r0, #4 * " at "]\n\t"
#define TINYC_SUMMED_OTHER(from, at) "str.w  " from ", [r0, #8 * " at "]\n\t"
#define TINYC_SUMMED_TWICE(from, at) \
    TINYC_SUMMED_OTHER(from, at) "str.w  " from ", [lr, #8 * " at "]\n\t"

/* Columns up to r3, the end of sums. r0, lr: the places; bytes: what eight of them take; r1: image;
 * r2: sums; r11: 1 in each half; the stack: what follows `other` in tinyc_summed_run. */
#define TINYC_SUM_COLUMNS(put, bytes)                               \
    ".balign 4\n"                                                   \
    "1:\n\t"                                                        \
    "ldr.w  r9, [sp, #4]\n\t"                                       \
    "ldr.w  r10, [sp, #20]\n"                                       \
    "2:\n\t"                                                        \
    "ldr.w  r12, [sp]\n"                                            \
    "3:\n\t" TINYC_WIDEN_SUMMED(put) "adds   r0, #" bytes           \
                                     "\n\t"                         \
                                     "add    lr, #" bytes           \
                                     "\n\t"                         \
                                     "subs   r12, #16\n\t"          \
                                     "bne    3b\n\t"                \
                                     "ldr    r4, [sp, #8]\n\t"      \
                                     "subs   r9, #1\n\t"            \
                                     "add    r1, r4\n\t"            \
                                     "bne    2b\n\t"                \
                                     "ldrd   r4, r5, [sp, #12]\n\t" \
                                     "str    r10, [r2], #4\n\t"     \
                                     "add    r1, r4\n\t"            \
                                     "add    r0, r5\n\t"            \
                                     "add    lr, r5\n\t"            \
                                     "cmp    r2, r3\n\t"            \
                                     "bne    1b\n\t"

/* tinyc_put_fours of pixels of a multiple of 16 bytes. */
#define TINYC_DEFINE_PUT(name, columns)                                                    \
    __attribute__((naked, noinline, unused)) static void name(                             \
        __attribute__((unused)) uint32_t *to, __attribute__((unused)) const int8_t *image, \
        __attribute__((unused)) int32_t *sums, __attribute__((unused)) const int32_t *end, \
        __attribute__((unused)) const struct tinyc_summed_run *run)                        \
    {                                                                                      \
        __asm__ volatile(                                                                  \
            ".syntax unified\n\t"                                                          \
            "push   {r4-r11, lr}\n\t"                                                      \
            "ldr.w  lr, [sp, #36]\n\t"                                                     \
            "ldm    lr, {r4-r10}\n\t"                                                      \
            "push   {r5-r10}\n\t"                                                          \
            "mov    r11, #0x00010001\n\t"                                                  \
            "add    lr, r0, r4\n\t" columns                                                \
            "add    sp, #24\n\t"                                                           \
            "pop    {r4-r11, pc}\n\t");                                                    \
    }

TINYC_DEFINE_PUT(tinyc_put_sixteens, TINYC_SUM_COLUMNS(TINYC_SUMMED_NEXT, "32"))

TINYC_DEFINE_PUT(tinyc_put_sixteens_between,
                 "cmp    r4, #0\n\t"
                 "beq    4f\n"
                 TINYC_SUM_COLUMNS(TINYC_SUMMED_TWICE, "64")
                 "b      5f\n"
                 "4:\n\t"
                 TINYC_SUM_COLUMNS(TINYC_SUMMED_OTHER, "64")
                 "5:\n\t")

#endif

/* Columns from `image` on, up to `end` of their sums. every: words from one to the next. */
static TINYC_SHARED void tinyc_put_fours(uint32_t *to, const int8_t *image, int32_t *sums,
                                         const int32_t *end, const struct tinyc_summed_run *run,
                                         int32_t every)
{
    for (; sums != end; sums++, image += run->across, to += run->gap / 4) {
        *sums = run->start;
        for (int32_t row = 0; row < run->rows; row++, image += run->down) {
            const int8_t *const next = image + run->size;
            for (; image != next; image += 4, to += 2 * every) {
                const uint32_t quad = tinyc_load4(image);
                const uint32_t even = tinyc_sxtb16(quad), odd = tinyc_sxtb16_ror8(quad);
                uint32_t *const other = to + run->other / 4;
                to[0] = other[0] = even;
                to[every] = other[every] = odd;
                *sums = tinyc_smlad(even, 0x10001U, tinyc_smlad(odd, 0x10001U, *sums));
            }
        }
    }
}

TINYC_INLINE void tinyc_put_run(uint32_t *to, const int8_t *image, int32_t *sums,
                                const int32_t *end, const struct tinyc_summed_run *run,
                                int32_t every)
{
#if TINYC_DSP
    if (run->size % 16 == 0) {
        if (every == 1) {
            tinyc_put_sixteens(to, image, sums, end, run);
        } else {
            tinyc_put_sixteens_between(to, image, sums, end, run);
        }
        return;
    }
#endif
    tinyc_put_fours(to, image, sums, end, run, every);
}

/* `size` inputs that are all `padding`. */
static TINYC_SHARED void tinyc_put_outside(uint32_t *to, int32_t other, int32_t size,
                                           int32_t padding, int32_t every)
{
    const uint32_t pair = ((uint32_t)padding & 0xffffU) * 0x10001U;

    for (; size > 0; size -= 4, to += 2 * every) {
        to[0] = to[every] = pair;
        if (other != 0) {
            to[other / 4] = to[other / 4 + every] = pair;
        }
    }
}

/* Inputs of a column with what fills it up to whole fours, which meets weights of 0. */
TINYC_INLINE int32_t tinyc_column_depth(const struct tinyc_window *w)
{
    return (w->kernel.h * w->in.c + 3) / 4 * 4;
}

/* `count` columns of the image from `x` on, under windows whose first row is `y`, to places that
 * follow each other, and their sums. alone: columns that the first of two pixels sees before those
 * that both see, or all; the others are put to the places of the second pixel as well, and the last
 * ones there alone. every: see tinyc_put_fours; patch: memory for a column of pixels that are no
 * multiple of four. */
static TINYC_SHARED void tinyc_put_columns(uint32_t *to, int32_t alone, int32_t *sums,
                                           int8_t *patch, const int8_t *in, int32_t y, int32_t x,
                                           int32_t count, const struct tinyc_window *w,
                                           int32_t padding, int32_t every)
{
    const int32_t size = w->in.c, line = w->in.w * size, below = w->dilation.h * line;
    const int32_t depth = tinyc_column_depth(w), words = depth / 2 * every;
    const struct tinyc_taps taps = tinyc_taps(y, w->dilation.h, w->kernel.h, w->in.h);
    const int32_t rows = taps.end - taps.first, outside = (w->kernel.h - rows) * size;
    const int8_t *const top = rows > 0 ? in + (y + taps.first * w->dilation.h) * line : in;
    const int32_t to_second = 1 - alone * words;
    struct tinyc_summed_run several = {
        .size = size,
        .rows = rows,
        .down = below - size,
        .across = size - rows * below,
        .gap = 2 * every * outside,
        .start = outside * padding,
    };

    for (int32_t c = 0, run; c < count; c += run) {
        const int both = c >= alone && c < count - alone;
        const int32_t other = both ? 4 * to_second : 0;
        const int32_t end = c < alone ? alone : both ? count - alone : count;
        const int inside = tinyc_is_inside(x + c, w->in.w) && rows > 0;
        const int8_t *const first = top + (x + c) * size;
        uint32_t *const column = to + c * words + (c >= alone && !both ? to_second : 0);
        run = 1;
        if (size % 4 != 0) {
            const struct tinyc_summed_run one = {other, depth, 1, 0, 0, 0, 0};
            memset(patch, padding, (size_t)(w->kernel.h * size));
            memset(patch + w->kernel.h * size, 0, (size_t)(depth - w->kernel.h * size));
            for (int32_t row = 0; inside && row < rows; row++) {
                memcpy(patch + (taps.first + row) * size, first + row * below, (size_t)size);
            }
            tinyc_put_run(column, patch, sums + c, sums + c + 1, &one, every);
        } else if (!inside) {
            sums[c] = depth * padding;
            tinyc_put_outside(column, other, depth, padding, every);
        } else {
            several.other = other;
            run = end < w->in.w - x ? end - c : w->in.w - x - c;
            for (int32_t i = 0; outside > 0 && i < run * words; i += words) {
                tinyc_put_outside(column + i, other, taps.first * size, padding, every);
                tinyc_put_outside(column + i + taps.end * size / 2 * every, other,
                                  (w->kernel.h - taps.end) * size, padding, every);
            }
            tinyc_put_run(column + taps.first * size / 2 * every, first, sums + c, sums + c + run,
                          &several, every);
        }
    }
}

#endif
