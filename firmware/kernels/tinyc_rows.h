/* Chains of layers that go by rows: of what lies between two of them there are the rows that are
 * still to be read, and no others. */
#ifndef TINYC_ROWS_H
#define TINYC_ROWS_H

#include "tinyc_move_rows.h"
#include "tinyc_window.h"

/* An image that is made and read by rows: of its `height` rows of `bytes` bytes those from `first`
 * up to, not including, `end` lie at `at`, one after the other. */
struct tinyc_image_rows {
    uint8_t *at;
    int32_t bytes, height, first, end;
};

/* Which rows of an image there are, from one row that is fed to the next. */
struct tinyc_rows_left {
    int32_t first, end;
};

TINYC_INLINE struct tinyc_rows_left tinyc_rows_of(const struct tinyc_image_rows *image)
{
    const struct tinyc_rows_left rows = {image->first, image->end};
    return rows;
}

/* How many rows a window sees, how many it moves on by, and those of padding above the image. */
struct tinyc_reach {
    int32_t rows, stride, top;
};

TINYC_INLINE int32_t tinyc_lower(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

TINYC_INLINE void *tinyc_row_of(const struct tinyc_image_rows *image, int32_t y)
{
    return image->at + (y - image->first) * image->bytes;
}

/* Of the rows of `in` the first that row `y` of a layer's output sees, and those after it. */
TINYC_INLINE int32_t tinyc_first_seen(const struct tinyc_image_rows *in, int32_t y,
                                      const struct tinyc_reach *reach)
{
    const int32_t first = y * reach->stride - reach->top;
    return first < 0 ? 0 : tinyc_lower(first, in->end);
}

/* What a layer can make next of the rows that there are of `in`: no more than `most` rows. */
TINYC_INLINE struct tinyc_strip tinyc_next_strip(const struct tinyc_image_rows *in,
                                                 const struct tinyc_image_rows *out,
                                                 const struct tinyc_reach *reach, int32_t most)
{
    const int32_t below = in->end + reach->top - reach->rows;
    const int32_t whole = below < 0 ? 0 : tinyc_lower(below / reach->stride + 1, out->height);
    const int32_t end = in->end == in->height ? out->height : whole;
    const int32_t first = tinyc_first_seen(in, out->end, reach);
    const struct tinyc_strip strip = {
        in->end - first,
        tinyc_lower(end - out->end, most),
        first - (out->end * reach->stride - reach->top),
    };
    return strip;
}

/* Whether there is a turn of layers that are fed with `in`: the first one can make `most` rows, or
 * all rows have come, and something is left to be made. */
TINYC_INLINE int32_t tinyc_has_turn(const struct tinyc_image_rows *in,
                                    const struct tinyc_image_rows *out,
                                    const struct tinyc_reach *reach, int32_t most, int32_t left)
{
    return in->end < in->height ? tinyc_next_strip(in, out, reach, most).out_h == most : left;
}

/* Of two strips of the same output the one of fewer rows. */
TINYC_INLINE struct tinyc_strip tinyc_shorter(struct tinyc_strip a, struct tinyc_strip b)
{
    return a.out_h < b.out_h ? a : b;
}

/* The rows of `in` that a strip is made of, and where those go that it makes. */
TINYC_INLINE void *tinyc_strip_in(const struct tinyc_image_rows *in,
                                  const struct tinyc_strip *strip)
{
    return tinyc_row_of(in, in->end - strip->in_h);
}

TINYC_INLINE void *tinyc_next_row(const struct tinyc_image_rows *out)
{
    return tinyc_row_of(out, out->end);
}

/* Let go of the rows above `first`, which nobody is going to read: those below move up. */
TINYC_INLINE void tinyc_let_go(struct tinyc_image_rows *image, int32_t first)
{
    if (first > image->first) {
        tinyc_move_rows(image->at, tinyc_row_of(image, first), (image->end - first) * image->bytes);
        image->first = first;
    }
}

/* Bring the rows to where they are worked with, if they wait elsewhere. */
TINYC_INLINE void tinyc_fetch(struct tinyc_image_rows *image, uint8_t *place)
{
    if (image->at != place) {
        tinyc_move_rows(place, image->at, (image->end - image->first) * image->bytes);
        image->at = place;
    }
}

/* If they were worked with, let go of those above `first`; the others wait at `place`. */
TINYC_INLINE void tinyc_park(struct tinyc_image_rows *image, int32_t first, uint8_t *place)
{
    if (image->at != place) {
        image->at = tinyc_row_of(image, first);
        image->first = first;
        tinyc_fetch(image, place);
    }
}

#endif
