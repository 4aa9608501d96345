/* Depthwise convolution of int8 for cores without SIMD and without a long multiplication, two
 * outputs in one register as in tinyc_pairs_armv6m.h: neighbours along one axis of the image. A
 * channel's image is laid out for them as words x[i] + 65536 * x[i + stride], column by column, a
 * column along that axis. */
#ifndef TINYC_DEPTHWISE_ARMV6M_H
#define TINYC_DEPTHWISE_ARMV6M_H

#include "tinyc_pairs_armv6m.h"
#include "tinyc_window.h"

/* Columns of outputs of a channel, each at least two; the last pair of an odd number has an output
 * of the pair before. Steps are in bytes. */
struct tinyc_depthwise_job {
    const uint32_t *words; /* of a pair, and those of a column's last pair */
    const uint32_t *last;
    int32_t step;
    int8_t *out; /* of a pair; from its first to its second; of a column's last pair */
    int32_t row;
    int8_t *last_out;
    const uint32_t *column; /* the first pair's words, and its output */
    int32_t column_step;
    int8_t *column_out;
    int32_t out_step;
    const uint32_t *end;    /* of the columns */
    int32_t gap;            /* from the words behind a column's taps to the next column's */
    const int32_t *weights; /* column by column, each with an even number, or those of 3x3 */
    const int32_t *weights_end;
    int32_t taps;   /* bytes of a column of weights */
    int32_t biases; /* the bias of both outputs, as a word, and alone */
    int32_t bias;
    int32_t multiplier[3]; /* 10, 10 and 11 bits, from the lowest on */
    int32_t half;          /* what rounds halves upwards and adds the zero point, before */
    int32_t shift;         /* this right shift */
};

/* Where a column's words go on, and the last input that has been read. */
struct tinyc_words_end {
    uint32_t *word;
    int32_t last;
};

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* A run of a column's words, `stride` bytes apart, up to `end`, one at least: the first is of the
 * last input and x[0], the next of x[0] and x[step], and so on.
 *
 * r0: words; r2: x; r3: from there to the next input, in steps of r12. */
__attribute__((naked, noinline, unused)) static void tinyc_run_words(
    __attribute__((unused)) struct tinyc_words_end *from,
    __attribute__((unused)) const uint32_t *end, __attribute__((unused)) const int8_t *x,
    __attribute__((unused)) int32_t step, __attribute__((unused)) int32_t stride)
{
    __asm__ volatile(
        ".syntax unified\n\t"
        ".macro word last, next\n\t"
        "ldrsb  \\next, [r2, r3]\n\t"
        "add    r3, r3, r12\n\t"
        "lsls   r6, \\next, #16\n\t"
        "adds   r6, r6, \\last\n\t"
        "str    r6, [r0]\n\t"
        "adds   r0, r0, r7\n\t"
        "cmp    r0, r1\n\t"
        ".endm\n\t"
        "push   {r0, r4-r7, lr}\n\t"
        "ldr    r7, [sp, #24]\n\t" /* stride */
        "ldr    r4, [r0, #4]\n\t"  /* last */
        "ldr    r0, [r0]\n\t"      /* word */
        "mov    r12, r3\n\t"
        "movs   r3, #0\n\t"
        "cmp    r7, #4\n\t"
        "bne    1f\n\t"
        /* Side by side: two at a time, after one if their number is odd. */
        "subs   r6, r1, r0\n\t"
        "lsls   r6, r6, #29\n\t"
        "bpl    4f\n\t"
        "word   r4, r5\n\t"
        "bhs    2f\n\t"
        "movs   r4, r5\n"
        "4:\n\t"
        "ldrsb  r5, [r2, r3]\n\t"
        "add    r3, r3, r12\n\t"
        "lsls   r6, r5, #16\n\t"
        "adds   r6, r6, r4\n\t"
        "ldrsb  r4, [r2, r3]\n\t"
        "add    r3, r3, r12\n\t"
        "lsls   r7, r4, #16\n\t"
        "adds   r7, r7, r5\n\t"
        "stm    r0!, {r6, r7}\n\t"
        "cmp    r0, r1\n\t"
        "blo    4b\n\t"
        "b      3f\n"
        "1:\n\t"
        "word   r4, r5\n\t"
        "bhs    2f\n\t"
        "word   r5, r4\n\t"
        "blo    1b\n"
        "3:\n\t"
        "movs   r5, r4\n"
        "2:\n\t"
        "pop    {r6}\n\t"
        "str    r0, [r6]\n\t"
        "str    r5, [r6, #4]\n\t"
        "pop    {r4-r7, pc}\n\t"
        ".purgem word\n\t");
}

/* 3x3: the first four weights behind the job, the others in r8 to r11 and lr; r12: the gap. */
#define TINYC_ENTER_3X3                      \
    "ldr    r7, [sp, #48]\n\t" /* weights */ \
    "ldm    r7!, {r0-r3}\n\t"                \
    "add    r4, sp, #88\n\t"                 \
    "stm    r4!, {r0-r3}\n\t"                \
    "ldm    r7!, {r0-r4}\n\t"                \
    "mov    r8, r0\n\t"                      \
    "mov    r9, r1\n\t"                      \
    "mov    r10, r2\n\t"                     \
    "mov    r11, r3\n\t"                     \
    "mov    lr, r4\n\t"                      \
    "ldr    r0, [sp, #44]\n\t" /* gap */     \
    "mov    r12, r0\n\t"

/* r0: words; r6, r7: the sums, as s0 + 65536 * s1 and s1. */
#define TINYC_TAPS_3X3                      \
    "ldr    r6, [sp, #60]\n\t" /* biases */ \
    "ldr    r7, [sp, #64]\n\t" /* bias */   \
    "ldm    r0!, {r2, r3, r4}\n\t"          \
    "ldr    r5, [sp, #88]\n\t"              \
    "muls   r5, r2, r5\n\t"                 \
    "ldr    r1, [sp, #92]\n\t"              \
    "muls   r1, r3, r1\n\t"                 \
    "adds   r5, r5, r1\n\t"                 \
    "sum    r5\n\t"                         \
    "ldr    r5, [sp, #96]\n\t"              \
    "muls   r5, r4, r5\n\t"                 \
    "add    r0, r0, r12\n\t"                \
    "ldm    r0!, {r2, r3, r4}\n\t"          \
    "ldr    r1, [sp, #100]\n\t"             \
    "muls   r1, r2, r1\n\t"                 \
    "adds   r5, r5, r1\n\t"                 \
    "sum    r5\n\t"                         \
    "mov    r5, r8\n\t"                     \
    "muls   r5, r3, r5\n\t"                 \
    "mov    r1, r9\n\t"                     \
    "muls   r1, r4, r1\n\t"                 \
    "adds   r5, r5, r1\n\t"                 \
    "sum    r5\n\t"                         \
    "add    r0, r0, r12\n\t"                \
    "ldm    r0!, {r2, r3, r4}\n\t"          \
    "mov    r5, r10\n\t"                    \
    "muls   r5, r2, r5\n\t"                 \
    "mov    r1, r11\n\t"                    \
    "muls   r1, r3, r1\n\t"                 \
    "adds   r5, r5, r1\n\t"                 \
    "sum    r5\n\t"                         \
    "mov    r5, lr\n\t"                     \
    "muls   r5, r4, r5\n\t"                 \
    "sum    r5\n\t"

/* Any: r8: the end of the weights; r9: the bytes of a column of them, which ends at r12; r10: the
 * gap; r11: the weights. */
#define TINYC_ENTER_ANY                          \
    "ldr    r0, [sp, #52]\n\t" /* weights end */ \
    "mov    r8, r0\n\t"                          \
    "ldr    r0, [sp, #56]\n\t" /* taps */        \
    "mov    r9, r0\n\t"                          \
    "ldr    r0, [sp, #44]\n\t" /* gap */         \
    "mov    r10, r0\n\t"                         \
    "ldr    r0, [sp, #48]\n\t" /* weights */     \
    "mov    r11, r0\n\t"

#define TINYC_TAPS_ANY                      \
    "ldr    r6, [sp, #60]\n\t" /* biases */ \
    "ldr    r7, [sp, #64]\n\t" /* bias */   \
    "mov    r1, r11\n\t"                    \
    "b      6f\n\t"                         \
    "5:\n"                                  \
    "add    r0, r0, r10\n\t"                \
    "6:\n"                                  \
    "mov    r2, r1\n\t"                     \
    "add    r2, r2, r9\n\t"                 \
    "mov    r12, r2\n\t"                    \
    "7:\n"                                  \
    "ldm    r0!, {r2, r3}\n\t"              \
    "ldm    r1!, {r4, r5}\n\t"              \
    "muls   r2, r4, r2\n\t"                 \
    "muls   r3, r5, r3\n\t"                 \
    "adds   r2, r2, r3\n\t"                 \
    "sum    r2\n\t"                         \
    "cmp    r1, r12\n\t"                    \
    "bne    7b\n\t"                         \
    "cmp    r1, r8\n\t"                     \
    "bne    5b\n\t"

/* The function `name`, which has a copy of its job where the stack pointer points to.
 * `scaled`: r5 = the output of the sum r0 by the multiplier in r1 to r3 and by r4, half. */
#define TINYC_DEFINE_COLUMNWISE(name, enter, taps, times, away)        \
    __attribute__((naked, noinline, unused)) static void name(         \
        __attribute__((unused)) const struct tinyc_depthwise_job *job) \
    {                                                                  \
        __asm__ volatile(                                              \
            ".syntax unified\n\t"                                      \
            ".macro sum pair\n\t"                                      \
            "adds   r6, r6, \\pair\n\t"                                \
            "asrs   \\pair, \\pair, #16\n\t"                           \
            "adcs   r7, r7, \\pair\n\t"                                \
            ".endm\n\t"                                                \
            ".macro scaled\n\t" times                                  \
            "adds   r5, r5, r4\n\t"                                    \
            "ldr    r6, [sp, #84]\n\t" /* shift */                     \
            "asrs   r5, r5, r6\n\t"                                    \
            "sxtb   r6, r5\n\t"                                        \
            "cmp    r6, r5\n\t"                                        \
            "beq    8f\n\t"                                            \
            "asrs   r5, r5, #31\n\t"                                   \
            "movs   r6, #127\n\t"                                      \
            "eors   r5, r5, r6\n\t"                                    \
            "8:\n"                                                     \
            ".endm\n\t"                                                \
            "push   {r4-r7, lr}\n\t" TINYC_HIGH_TO_LOW                 \
            "push   {r4-r7}\n\t"                                       \
            "sub    sp, #104\n\t"                                      \
            "mov    r1, sp\n\t"                                        \
            ".rept 3\n\t"                                              \
            "ldm    r0!, {r2-r7}\n\t"                                  \
            "stm    r1!, {r2-r7}\n\t"                                  \
            ".endr\n\t"                                                \
            "ldm    r0!, {r2-r5}\n\t"                                  \
            "stm    r1!, {r2-r5}\n\t" enter                            \
            "1:\n"                                                     \
            "ldr    r0, [sp, #0]\n\t" /* words */                      \
            taps                                                       \
            "lsls   r0, r7, #16\n\t"                                   \
            "subs   r0, r6, r0\n\t"                                    \
            "add    r5, sp, #68\n\t" /* multiplier */                  \
            "ldm    r5!, {r1-r4}\n\t"                                  \
            "scaled\n\t"                                               \
            "ldr    r6, [sp, #12]\n\t" /* out */                       \
            "strb   r5, [r6]\n\t"                                      \
            "movs   r0, r7\n\t"                                        \
            "scaled\n\t"                                               \
            "ldr    r6, [sp, #12]\n\t" /* out */                       \
            "ldr    r0, [sp, #16]\n\t" /* row */                       \
            "strb   r5, [r6, r0]\n\t"                                  \
            "lsls   r0, r0, #1\n\t"                                    \
            "adds   r6, r6, r0\n\t"                                    \
            "str    r6, [sp, #12]\n\t" /* out */                       \
            "ldr    r0, [sp, #0]\n\t"  /* words */                     \
            "ldr    r1, [sp, #4]\n\t"  /* last */                      \
            "cmp    r0, r1\n\t"                                        \
            "beq    3f\n\t"                                            \
            "ldr    r2, [sp, #8]\n\t" /* step */                       \
            "adds   r0, r0, r2\n\t"                                    \
            "cmp    r0, r1\n\t"                                        \
            "bls    2f\n\t"                                            \
            "movs   r0, r1\n\t"                                        \
            "ldr    r6, [sp, #20]\n\t" /* last out */                  \
            "str    r6, [sp, #12]\n\t" /* out */                       \
            "2:\n"                                                     \
            "str    r0, [sp, #0]\n\t" /* words */                      \
            "b      1b\n\t"                                            \
            "3:\n"                                                     \
            "ldr    r0, [sp, #28]\n\t" /* column step */               \
            "ldr    r1, [sp, #4]\n\t"  /* last */                      \
            "adds   r1, r1, r0\n\t"                                    \
            "str    r1, [sp, #4]\n\t"  /* last */                      \
            "ldr    r1, [sp, #24]\n\t" /* column */                    \
            "adds   r1, r1, r0\n\t"                                    \
            "str    r1, [sp, #24]\n\t" /* column */                    \
            "str    r1, [sp, #0]\n\t"  /* words */                     \
            "ldr    r0, [sp, #36]\n\t" /* out step */                  \
            "ldr    r2, [sp, #20]\n\t" /* last out */                  \
            "adds   r2, r2, r0\n\t"                                    \
            "str    r2, [sp, #20]\n\t" /* last out */                  \
            "ldr    r2, [sp, #32]\n\t" /* column out */                \
            "adds   r2, r2, r0\n\t"                                    \
            "str    r2, [sp, #32]\n\t" /* column out */                \
            "str    r2, [sp, #12]\n\t" /* out */                       \
            "ldr    r2, [sp, #40]\n\t" /* end */                       \
            "cmp    r1, r2\n\t"                                        \
            "beq    4f\n\t"                                            \
            "b      1b\n\t"                                            \
            "4:\n"                                                     \
            "add    sp, #104\n\t" TINYC_POP_HIGH                       \
            "pop    {r4-r7, pc}\n\t"                                   \
            ".purgem sum\n\t"                                          \
            ".purgem scaled\n\t");                                     \
    }

#else

static TINYC_SHARED void tinyc_run_words(struct tinyc_words_end *from, const uint32_t *end,
                                         const int8_t *x, int32_t step, int32_t stride)
{
    for (; from->word < end; from->word += stride / 4, x += step) {
        *from->word = tinyc_pair_word(from->last, *x);
        from->last = *x;
    }
}

TINYC_INLINE int8_t tinyc_depthwise_output(int32_t sum, const struct tinyc_depthwise_job *job,
                                           int32_t away)
{
    int32_t y = sum * job->multiplier[0] >> 10;

    y = (y + sum * job->multiplier[1]) >> 10;
    y += sum * job->multiplier[2] - (sum < 0 ? away << 11 : 0);
    return (int8_t)tinyc_clamp((y + job->half) >> job->shift, INT8_MIN, INT8_MAX);
}

/* The outputs of a job, of which all but those where it begins is left as it is. */
TINYC_INLINE void tinyc_depthwise_outputs(const struct tinyc_depthwise_job *job, int32_t away)
{
    const int32_t stride = job->step / 8;
    int8_t *column_out = job->column_out;
    const uint32_t *last = job->last;

    for (const uint32_t *column = job->column; column != job->end;
         column += job->column_step / 4, last += job->column_step / 4) {
        int8_t *out = column_out;
        for (const uint32_t *first = column; first <= last + stride; first += stride) {
            /* The second output of the last pair is the first of one that is not there. */
            const int second = first > last;
            const uint32_t *x = second ? first - stride : first;
            int32_t sum = job->bias;
            for (const int32_t *w = job->weights; w != job->weights_end; x += job->gap / 4) {
                for (int32_t k = 0; k < job->taps / 4; k++) {
                    sum += *w++ * (second ? tinyc_pair_second(*x) : tinyc_pair_first(*x));
                    x++;
                }
            }
            *out = tinyc_depthwise_output(sum, job, away);
            out += job->row;
        }
        column_out += job->out_step;
    }
}

#define TINYC_DEFINE_COLUMNWISE(name, enter, taps, times, away)          \
    static TINYC_SHARED void name(const struct tinyc_depthwise_job *job) \
    {                                                                    \
        tinyc_depthwise_outputs(job, away);                              \
    }

#endif

/* away: whether halves of negative sums are rounded away from zero. */
TINYC_DEFINE_COLUMNWISE(tinyc_depthwise_3x3, TINYC_ENTER_3X3, TINYC_TAPS_3X3,
                        TINYC_TIMES_10(TINYC_UP), 0)
TINYC_DEFINE_COLUMNWISE(tinyc_depthwise_3x3_away, TINYC_ENTER_3X3, TINYC_TAPS_3X3,
                        TINYC_TIMES_10(TINYC_AWAY), 1)
TINYC_DEFINE_COLUMNWISE(tinyc_depthwise_any, TINYC_ENTER_ANY, TINYC_TAPS_ANY,
                        TINYC_TIMES_10(TINYC_UP), 0)
TINYC_DEFINE_COLUMNWISE(tinyc_depthwise_any_away, TINYC_ENTER_ANY, TINYC_TAPS_ANY,
                        TINYC_TIMES_10(TINYC_AWAY), 1)

typedef void tinyc_depthwise_run(const struct tinyc_depthwise_job *job);

/* An axis of the image; the steps are in bytes. */
struct tinyc_axis {
    int32_t in, out, kernel, stride, padding, in_step, out_step;
};

struct tinyc_planes {
    int32_t images, in_bytes, out_bytes;
    int32_t channels, multiplier;    /* of the output, as many of each of the input's */
    struct tinyc_axis along, across; /* the columns */
    int32_t taps;                    /* of a column, with a 0 that makes them even but of 3x3 */
    int32_t columns;                 /* of outputs at a time */
};

/* A layer of some rows of the image, which are its columns. */
TINYC_INLINE struct tinyc_planes tinyc_planes_strip(const struct tinyc_planes *layer,
                                                    const struct tinyc_strip *strip)
{
    struct tinyc_planes part = *layer;

    part.across.in = strip->in_h;
    part.across.out = strip->out_h;
    part.across.padding = strip->top;
    return part;
}

/* `length` words of a column of inputs `x`, with its padding. */
static TINYC_SHARED void tinyc_column_words(uint32_t *to, int32_t length, const int8_t *x,
                                            const struct tinyc_axis *axis, int32_t zero)
{
    const int32_t stride = axis->stride;
    /* Words from here on have padding in their second half. */
    const int32_t inner = axis->in - stride + axis->padding;
    const uint32_t *const end = to + length;
    const uint32_t *const edge = inner < length ? to + inner : end;

    for (int32_t start = 0; start < stride; start++) {
        struct tinyc_words_end from = {to + start, zero};
        int32_t at = start - axis->padding;
        for (; at < -stride && from.word < end; at += stride, from.word += stride) {
            *from.word = tinyc_pair_word(zero, zero);
        }
        if (at >= 0 && at < axis->in) {
            from.last = x[at * axis->in_step];
        }
        if (from.word < edge) {
            tinyc_run_words(&from, edge, x + (at + stride) * axis->in_step, stride * axis->in_step,
                            4 * stride);
        }
        for (; from.word < end; from.word += stride) {
            *from.word = tinyc_pair_word(from.last, zero);
            from.last = zero;
        }
    }
}

/* The columns of a channel that outputs `done` to done + columns - 1 across see. */
static TINYC_SHARED void tinyc_plane_words(uint32_t *to, int32_t length, const int8_t *x,
                                           const struct tinyc_planes *p, int32_t done,
                                           int32_t columns, int32_t zero)
{
    const struct tinyc_axis *const across = &p->across;
    const int32_t first = done * across->stride - across->padding;
    const int32_t end = first + (columns - 1) * across->stride + across->kernel;

    for (int32_t at = first; at < end; at++, to += length) {
        if (at >= 0 && at < across->in) {
            tinyc_column_words(to, length, x + at * across->in_step, &p->along, zero);
            continue;
        }
        for (int32_t i = 0; i < length; i++) {
            to[i] = tinyc_pair_word(zero, zero);
        }
    }
}

/* weights: of each channel, column by column; table: bias, multiplier and right shift, less one, of
 * each channel; scratch: the weights of a channel, then its words. */
static TINYC_SHARED void tinyc_depthwise_armv6m(const int8_t *in, int8_t *out, uint8_t *scratch,
                                                const int8_t *weights, const int32_t *table,
                                                const struct tinyc_planes *p, int32_t input_zero,
                                                int32_t zero_point, tinyc_depthwise_run *run)
{
    const struct tinyc_axis *const along = &p->along;
    const struct tinyc_axis *const across = &p->across;
    const int32_t depth = across->kernel * p->taps;
    const int32_t last = along->out - 2;
    const int32_t length = last * along->stride + p->taps;
    int32_t *const filter = (int32_t *)(void *)scratch;
    uint32_t *const words = (uint32_t *)(void *)(filter + depth);

    struct tinyc_depthwise_job job = {
        .step = 8 * along->stride,
        .row = along->out_step,
        .column_step = 4 * across->stride * length,
        .out_step = across->out_step,
        .gap = 4 * (length - p->taps),
        .weights = filter,
        .weights_end = filter + depth,
        .taps = 4 * p->taps,
    };

    for (int32_t n = 0; n < p->images; n++) {
        for (int32_t done = 0; done < across->out; done += p->columns) {
            const int32_t left = across->out - done;
            const int32_t columns = left < p->columns ? left : p->columns;
            const int32_t *channel = table;
            const int8_t *weight = weights;
            int8_t *first = out + done * across->out_step;
            job.end = words + columns * across->stride * length;
            for (int32_t c = 0; c < p->channels; c++) {
                tinyc_plane_words(words, length, in + c, p, done, columns, input_zero);
                for (int32_t m = 0; m < p->multiplier; m++, first++, channel += 3) {
                    for (int32_t k = 0; k < depth; k++) {
                        filter[k] = *weight++;
                    }
                    job.words = words;
                    job.column = words;
                    job.last = words + last * along->stride;
                    job.out = first;
                    job.column_out = first;
                    job.last_out = first + last * along->out_step;
                    job.bias = channel[0];
                    job.biases = (int32_t)tinyc_pair_word(channel[0], channel[0]);
                    job.multiplier[0] = channel[1] & 0x3ff;
                    job.multiplier[1] = channel[1] >> 10 & 0x3ff;
                    job.multiplier[2] = channel[1] >> 20;
                    job.half = (1 << 10) + (1 + 2 * zero_point) * (1 << (channel[2] + 11));
                    job.shift = channel[2] + 12;
                    run(&job);
                }
            }
        }
        in += p->in_bytes;
        out += p->out_bytes;
    }
}

#endif
