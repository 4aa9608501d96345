/* The geometry of windows that slide over images. */
#ifndef TINYC_WINDOW_H
#define TINYC_WINDOW_H

#include "tinyc_base.h"

/* Images [n, h, w, c]. */
struct tinyc_images {
    int32_t n, h, w, c;
};

/* Rows and columns. */
struct tinyc_steps {
    int32_t h, w;
};

/* What lies before the first row and the first column. */
struct tinyc_padding {
    int32_t top, left;
};

/* The geometry of an operator that slides a window over images, in elements. */
struct tinyc_window {
    struct tinyc_images in, out;
    struct tinyc_steps kernel, stride, dilation;
    struct tinyc_padding padding;
};

/* A layer of a smaller image, which is what some rows of a layer are: the rows of the input, from
 * the first one on that these see, the rows of the output, and those of padding above the input. */
struct tinyc_strip {
    int32_t in_h, out_h, top;
};

/* Whether 0 <= at < size, by one comparison. */
TINYC_INLINE int tinyc_is_inside(int32_t at, int32_t size)
{
    return (uint32_t)at < (uint32_t)size;
}

/* Whether `count` from `at` on do. */
TINYC_INLINE int tinyc_are_inside(int32_t at, int32_t count, int32_t size)
{
    return at >= 0 && at + count <= size;
}

/* Whether a row and a column lie inside of the image. */
TINYC_INLINE int tinyc_inside(const struct tinyc_window *window, int32_t y, int32_t x)
{
    return tinyc_is_inside(y, window->in.h) && tinyc_is_inside(x, window->in.w);
}

/* Whether a window may reach beyond the image. Folds, as all of its geometry does. */
TINYC_INLINE int tinyc_is_padded(const struct tinyc_window *window)
{
    return window->padding.top > 0 || window->padding.left > 0 ||
           (window->out.h - 1) * window->stride.h + (window->kernel.h - 1) * window->dilation.h >=
               window->in.h + window->padding.top ||
           (window->out.w - 1) * window->stride.w + (window->kernel.w - 1) * window->dilation.w >=
               window->in.w + window->padding.left;
}

/* How far before `c` the four channels start that a kernel takes at once: of a count that is no
 * multiple of four, the last four overlap those before them. Folds to 0 where it is one. */
TINYC_INLINE int32_t tinyc_overlap(int32_t c, int32_t channels)
{
    return channels % 4 != 0 && c > channels - 4 ? 4 - channels % 4 : 0;
}

/* The rows or the columns of an image. */
struct tinyc_span {
    int32_t first, end;
};

/* `taps` from `start` on; of a padded window those of 0 to size - 1. */
TINYC_INLINE struct tinyc_span tinyc_span(int32_t start, int32_t taps, int32_t size, int padded)
{
    struct tinyc_span span = {start, start + taps};
    if (padded) {
        span.first = start < 0 ? 0 : start;
        span.end = span.end < size ? span.end : size;
    }
    return span;
}

/* What the windows of row oy and of column ox of the output see, which have no dilation. */
TINYC_INLINE struct tinyc_span tinyc_seen_rows(const struct tinyc_window *window, int32_t oy)
{
    return tinyc_span(oy * window->stride.h - window->padding.top, window->kernel.h, window->in.h,
                      tinyc_is_padded(window));
}

TINYC_INLINE struct tinyc_span tinyc_seen_columns(const struct tinyc_window *window, int32_t ox)
{
    return tinyc_span(ox * window->stride.w - window->padding.left, window->kernel.w, window->in.w,
                      tinyc_is_padded(window));
}

TINYC_INLINE int32_t tinyc_pixels(struct tinyc_span rows, struct tinyc_span columns)
{
    return (rows.end - rows.first) * (columns.end - columns.first);
}

/* Which taps of a filter lie inside the image along one axis. Tap k of a window that starts at
 * `start` (negative in the padding) reads start + k * dilation; those from the first up to, not
 * including, the end read 0 to size - 1. */
TINYC_INLINE int32_t tinyc_first_tap(int32_t start, int32_t dilation)
{
    return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

TINYC_INLINE int32_t tinyc_end_tap(int32_t start, int32_t dilation, int32_t taps, int32_t size)
{
    const int32_t end = start < size ? (size - start + dilation - 1) / dilation : 0;
    return end < taps ? end : taps;
}

/* A window along one axis: where it starts, and which taps of the filter lie inside the image. */
struct tinyc_taps {
    int32_t start, first, end;
};

TINYC_INLINE struct tinyc_taps tinyc_taps(int32_t start, int32_t dilation, int32_t taps,
                                          int32_t size)
{
    const struct tinyc_taps found = {
        start,
        tinyc_first_tap(start, dilation),
        tinyc_end_tap(start, dilation, taps, size),
    };
    return found;
}

/* Those of the outputs' row `oy` and of their column `ox`. */
TINYC_INLINE struct tinyc_taps tinyc_taps_y(const struct tinyc_window *w, int32_t oy)
{
    return tinyc_taps(oy * w->stride.h - w->padding.top, w->dilation.h, w->kernel.h, w->in.h);
}

TINYC_INLINE struct tinyc_taps tinyc_taps_x(const struct tinyc_window *w, int32_t ox)
{
    return tinyc_taps(ox * w->stride.w - w->padding.left, w->dilation.w, w->kernel.w, w->in.w);
}

#endif
