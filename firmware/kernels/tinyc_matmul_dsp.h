/* Matrix products of int8 on cores with the DSP extension, four rows with two columns at a time.
 * scratch: b as tinyc_mac.h reads weights, the four rows as it reads columns, and a row of a as
 * tinyc_put_row reads it. */
#ifndef TINYC_MATMUL_DSP_H
#define TINYC_MATMUL_DSP_H

#include "tinyc_mac.h"
#include "tinyc_matmul_shape.h"

/* How sums become outputs; shift: to the right, less one. */
struct tinyc_matmul_dsp {
    int32_t a_zero, b_zero;
    int32_t multiplier, shift;
    int32_t zero_point;
};

/* Four factors of a column, `step` apart; zeros where there are fewer. */
TINYC_INLINE uint32_t tinyc_factors(const int8_t *from, int32_t step, int32_t count)
{
    uint32_t quad = 0;

    if (count >= 4 && step == 1) {
        return tinyc_load4(from);
    }
    TINYC_UNROLL(4)
    for (int32_t k = 0; k < 4; k++) {
        if (k < count) {
            quad |= (uint32_t)(uint8_t)from[k * step] << (8 * k);
        }
    }
    return quad;
}

/* Two columns, filled up with zeros to a depth of a multiple of eight. */
TINYC_INLINE uint32_t *tinyc_pack_columns(uint32_t *to, const int8_t *first, const int8_t *second,
                                          int32_t step, int32_t depth)
{
    const int32_t whole = depth / 4 * 4;

    for (int32_t k = 0; k < (depth + 7) / 8 * 8; k += 4) {
        const int32_t count = k < whole ? 4 : depth - k;
        const uint32_t a = tinyc_factors(first + k * step, step, count);
        const uint32_t b = tinyc_factors(second + k * step, step, count);
        *to++ = (a & 0x00ff00ffU) | (b & 0x00ff00ffU) << 8;
        *to++ = (a >> 8 & 0x00ff00ffU) | (b & 0xff00ff00U);
    }
    return to;
}

/* A row of a multiple of four bytes less its zero point, widened; returns its sum. */
TINYC_INLINE int32_t tinyc_put_row(uint32_t *column, const int8_t *row, int32_t size, int32_t zero)
{
    const uint32_t offset = ((uint32_t)-zero & 0xffffU) * 0x10001U;
    int32_t sum = 0;

    for (; size > 0; size -= 4, row += 4, column += 8) {
        const uint32_t quad = tinyc_load4(row);
        column[0] = tinyc_sxtab16(offset, quad);
        column[4] = tinyc_sxtab16_ror8(offset, quad);
        sum = tinyc_smlad(column[0], 0x10001U, sum);
        sum = tinyc_smlad(column[4], 0x10001U, sum);
    }
    return sum;
}

TINYC_INLINE int8_t tinyc_matmul_output(int32_t sum, int32_t multiplier, int32_t shift,
                                        int32_t half)
{
    return (int8_t)tinyc_ssat8_asr1(tinyc_requant2_twice_dsp(sum, multiplier, shift, half));
}

/* out: `count` (1 to 4) rows of `columns` bytes; excess: of each row what its sums exceed. */
static TINYC_SHARED void tinyc_matmul_rows(const int8_t *packed, const int16_t *rows,
                                           const int32_t *excess, int8_t *out, int32_t count,
                                           int32_t columns, int32_t depth,
                                           const struct tinyc_matmul_dsp *scale)
{
    static const int32_t zeros[4] = {0, 0, 0, 0};
    const int32_t half = 1 + 2 * scale->zero_point;
    const int32_t multiplier = scale->multiplier;
    const int32_t shift = scale->shift;

    for (int32_t j = 0; j < columns; j += 2) {
        int32_t acc[8];
        const int8_t *const end = packed + 2 * depth;
        tinyc_mac_2x4(packed, rows, zeros, acc, end);
        packed = end;
        for (int32_t p = 0; p < count; p++) {
            int8_t *const to = out + p * columns + j;
            to[0] = tinyc_matmul_output(acc[p] - excess[p], multiplier, shift, half);
            if (j + 1 < columns) {
                to[1] = tinyc_matmul_output(acc[4 + p] - excess[p], multiplier, shift, half);
            }
        }
    }
}

TINYC_INLINE void tinyc_matmul_s8_dsp(const int8_t *a, const int8_t *b, int8_t *out,
                                      uint8_t *scratch, const int32_t *starts,
                                      const struct tinyc_matmul *shape,
                                      const struct tinyc_matmul_dsp *scale)
{
    const int32_t depth = (shape->depth + 7) / 8 * 8;
    uint32_t *const packed = (uint32_t *)(void *)scratch;
    uint32_t *const rows = packed + (shape->columns + 1) / 2 * (depth / 2);
    int8_t *const row = (int8_t *)(rows + 2 * depth);
    const int whole = shape->a_step == 1 && shape->depth == depth;

    /* What stands where there are less than four rows, and what fills a row up. */
    memset(rows, 0, (size_t)(8 * depth));
    memset(row, scale->a_zero, (size_t)depth);
    for (int32_t n = 0; n < shape->batches; n++) {
        const int8_t *x = a + tinyc_matmul_start(starts, shape, n, 0);
        const int8_t *y = b + tinyc_matmul_start(starts, shape, n, 1);
        uint32_t *pair = packed;
        for (int32_t left = shape->columns; left > 0; left -= 2, y += 2 * shape->b_column) {
            const int8_t *const second = left > 1 ? y + shape->b_column : y;
            pair = tinyc_pack_columns(pair, y, second, shape->b_step, shape->depth);
        }
        for (int32_t left = shape->rows; left > 0; left -= 4) {
            const int32_t count = left < 4 ? left : 4;
            int32_t excess[4] = {0, 0, 0, 0};
            for (int32_t p = 0; p < count; p++, x += shape->a_row) {
                for (int32_t k = 0; !whole && k < shape->depth; k++) {
                    row[k] = x[k * shape->a_step];
                }
                excess[p] =
                    scale->b_zero * tinyc_put_row(rows + p, whole ? x : row, depth, scale->a_zero);
            }
            tinyc_matmul_rows((const int8_t *)packed, (const int16_t *)(const void *)rows, excess,
                              out, count, shape->columns, depth, scale);
            out += count * shape->columns;
        }
    }
}

#endif
