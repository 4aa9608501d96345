/* Lines of int8 images as pairs of int16, four channels at a time, by the DSP extension.
 *
 * A line is a row or a column of the image. Two neighbours become a line of cells, one for each
 * position along them, padding included; a cell has a word for each of four channels, the first
 * line's number in its low half. The cells of the next two lines lie four words further on, between
 * those of the first, so that every distance is a constant: a window of up to four lines sees two
 * lines of cells. The line after that takes the place of the first, which has been used by then,
 * one position further on: the lines move through the scratch memory by one cell for each pair. */
#ifndef TINYC_PLANAR_H
#define TINYC_PLANAR_H

#include "tinyc_dsp.h"
#include "tinyc_window.h"

enum {
    TINYC_CELL = 4,               /* words from one line of cells to the next */
    TINYC_CELLS = 2 * TINYC_CELL, /* words from one position to the next */
};

/* A layer whose windows slide along lines. Its code reads the first three members by their place.
 */
struct tinyc_planar {
    int32_t half;          /* 1 + 2 * zero point of the output */
    int32_t rounds, entry; /* passes of an unrolled loop for a line, the step the first begins at */
    int32_t channels;
    int32_t lines, positions; /* of the input */
    int32_t line, position;   /* bytes from one to the next */
    int32_t above;            /* lines of padding before the first */
    int32_t before, after;    /* positions of padding */
    int32_t out_lines, out_positions, out_line, out_position;
    int32_t low, high;
    uint32_t zeros; /* the input's zero point in each byte */
};

/* A layer of some rows of the image, which are its lines. In two pieces: compilers copy what is
 * small by lists of registers, and more of it in a function, byte by byte. */
TINYC_INLINE void tinyc_planar_strip(struct tinyc_planar *part, const struct tinyc_planar *layer,
                                     const struct tinyc_strip *strip)
{
    const size_t half = sizeof *part / 2;

    memcpy(part, layer, half);
    memcpy((char *)part + half, (const char *)layer + half, sizeof *part - half);
    part->lines = strip->in_h;
    part->above = strip->top;
    part->out_lines = strip->out_h;
}

/* Words of scratch memory for `pairs` pairs of lines, the one after them included. */
TINYC_INLINE int32_t tinyc_planar_words(const struct tinyc_planar *layer, int32_t pairs)
{
    return (layer->before + layer->positions + layer->after) * TINYC_CELLS + pairs * TINYC_CELL;
}

/* The cell of four channels at `a` and `b`. Returns the next position's. */
#if TINYC_DSP

#define TINYC_PLANAR_CELL(second, next, b_operand)                     \
    __asm__ volatile(                                                  \
        "ldr    %[x], [%[a]]\n\t"                                      \
        "ldr    %[y], " second                                         \
        "\n\t"                                                         \
        "pkhbt  %[low], %[x], %[y], lsl #16\n\t"                       \
        "pkhtb  %[y], %[y], %[x], asr #16\n\t"                         \
        "sxtb16 %[x], %[low]\n\t"                                      \
        "sxtb16 %[low], %[low], ror #8\n\t"                            \
        "str    %[x], [%[to]], #4\n\t"                                 \
        "sxtb16 %[x], %[y]\n\t"                                        \
        "str    %[low], [%[to]], #4\n\t"                               \
        "sxtb16 %[y], %[y], ror #8\n\t"                                \
        "str    %[x], [%[to]], #4\n\t"                                 \
        "str    %[y], [%[to]], " next                                  \
        : [x] "=&r"(x), [y] "=&r"(y), [low] "=&r"(low), [to] "+&r"(to) \
        : [a] "r"(a), b_operand                                        \
        : "memory")

TINYC_INLINE uint32_t *tinyc_planar_cell(uint32_t *to, const int8_t *a, const int8_t *b)
{
    uint32_t x, y, low;
    TINYC_PLANAR_CELL("[%[b]]", "#20", [b] "r"(b));
    return to;
}

/* The same of b = a + line. */
TINYC_INLINE uint32_t *tinyc_planar_cell_at(uint32_t *to, const int8_t *a, int32_t line)
{
    uint32_t x, y, low;
    TINYC_PLANAR_CELL("[%[a], %[line]]", "#20", [line] "r"(line));
    return to;
}

/* The same, and the cell of the next two lines at `below`. */
TINYC_INLINE uint32_t *tinyc_planar_cells_at(uint32_t *to, const int8_t *a, const int8_t *below,
                                             int32_t line)
{
    uint32_t x, y, low;
    TINYC_PLANAR_CELL("[%[a], %[line]]", "#4", [line] "r"(line));
    a = below;
    TINYC_PLANAR_CELL("[%[a], %[line]]", "#4", [line] "r"(line));
    return to;
}

#else

TINYC_INLINE uint32_t *tinyc_planar_cell(uint32_t *to, const int8_t *a, const int8_t *b)
{
    for (int i = 0; i < 4; i++) {
        to[i] = tinyc_pair(a[i], b[i]);
    }
    return to + TINYC_CELLS;
}

TINYC_INLINE uint32_t *tinyc_planar_cell_at(uint32_t *to, const int8_t *a, int32_t line)
{
    return tinyc_planar_cell(to, a, a + line);
}

TINYC_INLINE uint32_t *tinyc_planar_cells_at(uint32_t *to, const int8_t *a, const int8_t *below,
                                             int32_t line)
{
    (void)tinyc_planar_cell_at(to + TINYC_CELL, below, line);
    return tinyc_planar_cell_at(to, a, line);
}

#endif

/* `count` positions of padding. */
TINYC_INLINE uint32_t *tinyc_planar_padding(uint32_t *to, uint32_t zeros, int32_t count)
{
    const uint32_t pair = tinyc_sxtb16(zeros);

    for (; count > 0; count--) {
        for (int i = 0; i < 4; i++) {
            to[i] = pair;
        }
        to += TINYC_CELLS;
    }
    return to;
}

/* Two lines of the image. */
TINYC_INLINE uint32_t *tinyc_planar_inside(uint32_t *to, const int8_t *a,
                                           const struct tinyc_planar *layer)
{
    const int32_t line = layer->line;
    const int32_t step = layer->position;
    int32_t count = layer->positions;

    for (; count & 3; count--) {
        to = tinyc_planar_cell_at(to, a, line);
        a += step;
    }
    for (; count > 0; count -= 4) {
        TINYC_UNROLL(4)
        for (int i = 0; i < 4; i++) {
            to = tinyc_planar_cell_at(to, a, line);
            a += step;
        }
    }
    return to;
}

/* One line of the image, and one outside, all of whose positions are the same. */
TINYC_INLINE uint32_t *tinyc_planar_edge(uint32_t *to, const int8_t *a, const int8_t *b,
                                         int32_t a_step, int32_t b_step, int32_t count)
{
    for (; count > 0; count--) {
        to = tinyc_planar_cell(to, a, b);
        a += a_step;
        b += b_step;
    }
    return to;
}

/* The cells of lines y and y + 1 of the image whose first four channels are at `in`. */
static TINYC_SHARED void tinyc_planar_pair(uint32_t *to, const int8_t *in, int32_t y,
                                           const struct tinyc_planar *layer)
{
    const int8_t *const outside = (const int8_t *)&layer->zeros;
    const int32_t step = layer->position;
    const int32_t count = layer->positions;

    to = tinyc_planar_padding(to, layer->zeros, layer->before);
    if (!tinyc_is_inside(y, layer->lines)) {
        if (y + 1 == 0) {
            to = tinyc_planar_edge(to, outside, in, 0, step, count);
        } else {
            to = tinyc_planar_padding(to, layer->zeros, count);
        }
    } else if (y + 1 == layer->lines) {
        to = tinyc_planar_edge(to, in + y * layer->line, outside, step, 0, count);
    } else {
        to = tinyc_planar_inside(to, in + y * layer->line, layer);
    }
    (void)tinyc_planar_padding(to, layer->zeros, layer->after);
}

/* The cells of lines 0 to 3, all of which lie in the image, but for those beside it. */
static TINYC_SHARED void tinyc_planar_four(uint32_t *to, const int8_t *in,
                                           const struct tinyc_planar *layer)
{
    const int32_t line = layer->line;
    const int32_t step = layer->position;

    const int8_t *below = in + 2 * line;

    TINYC_UNROLL(2)
    for (int32_t count = layer->positions; count > 0; count--) {
        to = tinyc_planar_cells_at(to, in, below, line);
        in += step;
        below += step;
    }
}

/* The outputs of two lines within the layer's bounds. */
static TINYC_SHARED void tinyc_planar_clamp(int8_t *staged, const struct tinyc_planar *layer)
{
    const uint32_t low = (uint32_t)(uint8_t)layer->low * 0x01010101U;
    const uint32_t high = (uint32_t)(uint8_t)layer->high * 0x01010101U;

    for (int32_t count = 2 * layer->out_positions; count > 0; count--) {
        const uint32_t four = tinyc_clamp4(tinyc_load4(staged), low, high);
        memcpy(staged, &four, 4);
        staged += 4;
    }
}

/* The outputs of two lines, of each position a word of four channels for either, to where they
 * belong. The second line's are nothing, and are overwritten, if it goes to the first one's place.
 */
static TINYC_SHARED void tinyc_planar_put(int8_t *out, int8_t *second, const int8_t *staged,
                                          const struct tinyc_planar *layer)
{
    const int32_t step = layer->out_position;

    TINYC_UNROLL(4)
    for (int32_t count = layer->out_positions; count > 0; count--) {
        const uint32_t a = tinyc_load4(staged);
        const uint32_t b = tinyc_load4(staged + 4);
        memcpy(second, &b, 4);
        memcpy(out, &a, 4);
        staged += 8;
        second += step;
        out += step;
    }
}

/* The same of four channels of which the first `overlap` have been there before: over their inputs,
 * perhaps, of which they would be computed anew. */
static TINYC_SHARED void tinyc_planar_put_rest(int8_t *out, int8_t *second, const int8_t *staged,
                                               const struct tinyc_planar *layer, int32_t overlap)
{
    for (int32_t count = layer->out_positions; count > 0; count--) {
        for (int32_t i = overlap; i < 4; i++) {
            second[i] = staged[4 + i];
            out[i] = staged[i];
        }
        staged += 8;
        second += layer->out_position;
        out += layer->out_position;
    }
}

#endif
