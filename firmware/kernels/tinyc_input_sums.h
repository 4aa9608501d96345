/* Sums of the inputs under the windows of a convolution, a row of windows after the other. */
#ifndef TINYC_INPUT_SUMS_H
#define TINYC_INPUT_SUMS_H

#include "tinyc_dsp.h"
#include "tinyc_gather.h"

#if TINYC_DSP
/* What tinyc_sum_pixels does of pixels of a multiple of 16 bytes, up to `end`. USADA8 adds up
 * unsigned bytes, 128 more each than the signed ones that they are made of. */
__attribute__((naked, noinline, unused)) static void tinyc_sum_sixteens(
    __attribute__((unused)) int32_t *sums, __attribute__((unused)) const int8_t *in,
    __attribute__((unused)) const int32_t *end, __attribute__((unused)) int32_t size,
    __attribute__((unused)) int32_t *totals)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        "push   {r4-r11, lr}\n\t"
        "ldr    r11, [sp, #36]\n\t"
        "mov    r8, #0x80808080\n\t"
        "mov    lr, #0\n\t"
        "sub    r9, lr, r3, lsl #7\n"
        "1:\n\t"
        "mov    r12, r3\n\t"
        "mov    r10, r9\n"
        "2:\n\t"
        "ldr    r4, [r1], #4\n\t"
        "ldr    r5, [r1], #4\n\t"
        "ldr    r6, [r1], #4\n\t"
        "ldr    r7, [r1], #4\n\t"
        "eor    r4, r8\n\t"
        "eor    r5, r8\n\t"
        "eor    r6, r8\n\t"
        "eor    r7, r8\n\t"
        "usada8 r10, r4, lr, r10\n\t"
        "usada8 r10, r5, lr, r10\n\t"
        "usada8 r10, r6, lr, r10\n\t"
        "usada8 r10, r7, lr, r10\n\t"
        "subs   r12, #16\n\t"
        "bne    2b\n\t"
        "ldr    r4, [r0]\n\t"
        "ldr    r5, [r11]\n\t"
        "str    r10, [r0], #4\n\t"
        "sub    r10, r4\n\t"
        "add    r5, r10\n\t"
        "str    r5, [r11], #4\n\t"
        "cmp    r0, r2\n\t"
        "bne    1b\n\t"
        "pop    {r4-r11, pc}\n\t");
}
#endif

/* The sums of each of so many `pixels` of `size` bytes in the place of others, as which they take
 * part in `totals`. */
static TINYC_SHARED void tinyc_sum_pixels(int32_t *sums, const int8_t *in, int32_t pixels,
                                          int32_t size, int32_t *totals)
{
    const int32_t *const end = sums + pixels;

#if TINYC_DSP
    if (size % 16 == 0) {
        tinyc_sum_sixteens(sums, in, end, size, totals);
        return;
    }
#endif
    for (; sums != end; sums++, totals++) {
        int32_t sum = 0;
        for (const int8_t *const next = in + size; in != next; in++) {
            sum += *in;
        }
        *totals += sum - *sums;
        *sums = sum;
    }
}

/* Of `size` bytes. */
TINYC_INLINE int32_t tinyc_sum_of_bytes(const int8_t *in, int32_t size)
{
    int32_t sum = 0, total = 0;

    tinyc_sum_pixels(&sum, in, 1, size, &total);
    return sum;
}

/* Columns of an image with what windows see on either side of it. */
TINYC_INLINE int32_t tinyc_summed_width(const struct tinyc_window *w)
{
    const int32_t seen = (w->out.w - 1) * w->stride.w + (w->kernel.w - 1) * w->dilation.w + 1;
    const int32_t image = w->padding.left + w->in.w;

    return seen > image ? seen : image;
}

/* Let `columns` be the sums of what lies in each column under the windows of row `oy` of the
 * output, which are asked for one after the other. Behind them are the sums of the pixels of as
 * many rows as windows have, each of which is summed once. */
static TINYC_SHARED void tinyc_sum_columns(int32_t *columns, const int8_t *in, int32_t oy,
                                           const struct tinyc_window *w, int32_t padding)
{
    const int32_t width = tinyc_summed_width(w), left = w->padding.left, rows = w->kernel.h;
    const int32_t kept = oy == 0 || w->dilation.h != 1 ? 0 : rows - w->stride.h;
    const int32_t outside = padding * w->in.c;

    if (kept <= 0) {
        for (int32_t x = 0; x < width; x++) {
            columns[x] = tinyc_is_inside(x - left, w->in.w) ? 0 : rows * outside;
        }
        memset(columns + width, 0, (size_t)(rows * w->in.w) * sizeof *columns);
    }
    for (int32_t ky = kept > 0 ? kept : 0; ky < rows; ky++) {
        const int32_t y = oy * w->stride.h - w->padding.top + ky * w->dilation.h;
        int32_t *const row = columns + width + (oy * w->stride.h + ky) % rows * w->in.w;
        if (tinyc_is_inside(y, w->in.h)) {
            tinyc_sum_pixels(row, in + y * w->in.w * w->in.c, w->in.w, w->in.c, columns + left);
            continue;
        }
        for (int32_t x = 0; x < w->in.w; x++) {
            columns[left + x] += outside - row[x];
            row[x] = outside;
        }
    }
}

/* Of the inputs under the windows of `count` pixels of the output, one or two, from `first` on.
 * columns: those of its row, which are made for the first one. */
TINYC_INLINE void tinyc_sum_windows(int32_t *sums, int32_t *columns, const int8_t *in,
                                    int32_t first, int32_t count, const struct tinyc_window *w,
                                    int32_t padding)
{
    if (tinyc_is_pointwise(w)) {
        int32_t totals[2] = {0, 0};
        tinyc_sum_pixels(sums, in + first * w->in.c, count, w->in.c, totals);
        return;
    }
    TINYC_UNROLL(2)
    for (int32_t i = 0; i < count; i++) {
        const int32_t ox = (first + i) % w->out.w;
        int32_t sum = 0;
        if (ox == 0) {
            /* A copy: of what a call may see, the compiler knows no more behind it. */
            const struct tinyc_window same = *w;
            tinyc_sum_columns(columns, in, (first + i) / w->out.w, &same, padding);
        }
        TINYC_UNROLL(5)
        for (int32_t kx = 0; kx < w->kernel.w; kx++) {
            sum += columns[ox * w->stride.w + kx * w->dilation.w];
        }
        sums[i] = sum;
    }
}

#endif
