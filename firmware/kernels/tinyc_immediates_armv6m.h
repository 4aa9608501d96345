/* Convolution of int8 by instructions that hold the weights: MOVS, MULS and ADDS are one weight of
 * two pixels, whose inputs are a word x0 + 65536 * x1 as in tinyc_pairs_armv6m.h. Three channels at
 * a time each have a running word, 2^15 + s0 + 65536 * s1, that is taken up before the weights in
 * it could bring s0 out of -2^15 to 2^15 - 1: what lies above its lower half is s1 then.
 *
 * The template writes a function of a layer's products in the words below: for each two inputs
 * what they bring to the channels that have weights for them. On other machines these are C. */
#ifndef TINYC_IMMEDIATES_ARMV6M_H
#define TINYC_IMMEDIATES_ARMV6M_H

#include "tinyc_conv2d_armv6m.h"

/* columns: for each input a word of two pixels; sums: of each channel two words. */
typedef void tinyc_immediates(const uint32_t *columns, uint32_t *sums);

/* What scales the sums of a channel. */
struct tinyc_immediate_channel {
    int32_t multiplier[4]; /* its pieces, see TINYC_TIMES_8 and TINYC_TIMES_10 */
    int32_t half;          /* what rounds halves upwards and adds the zero point, before */
    int32_t shift;         /* this right shift */
    int32_t biases[2];     /* of either pixel, the first's less 2^15 for each word taken up */
};

#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1

/* r0: columns; r2, r3: two of them; r4 to r6: the running words, r7: 2^15; r8 to lr: what has been
 * taken up. On the stack: columns, sums, r8 to r11, r4 to r7, lr. */
#define TINYC_IMMEDIATES(name)                         \
    __attribute__((naked, noinline)) static void name( \
        __attribute__((unused)) const uint32_t *columns, __attribute__((unused)) uint32_t *sums)

#define TINYC_IMMEDIATES_ENTER                     \
    __asm__ volatile(                              \
        ".syntax unified\n\t"                      \
        ".macro product input, weight\n\t"         \
        ".if \\weight == 2\n\t"                    \
        "lsls   r1, \\input, #1\n\t"               \
        ".elseif \\weight == 4\n\t"                \
        "lsls   r1, \\input, #2\n\t"               \
        ".elseif \\weight == 8\n\t"                \
        "lsls   r1, \\input, #3\n\t"               \
        ".elseif \\weight == 16\n\t"               \
        "lsls   r1, \\input, #4\n\t"               \
        ".elseif \\weight == 32\n\t"               \
        "lsls   r1, \\input, #5\n\t"               \
        ".elseif \\weight == 64\n\t"               \
        "lsls   r1, \\input, #6\n\t"               \
        ".elseif \\weight == 128\n\t"              \
        "lsls   r1, \\input, #7\n\t"               \
        ".else\n\t"                                \
        "movs   r1, #\\weight\n\t"                 \
        "muls   r1, \\input, r1\n\t"               \
        ".endif\n\t"                               \
        ".endm\n\t"                                \
        ".macro term to, from, input, weight\n\t"  \
        ".if \\weight == 1\n\t"                    \
        "adds   \\to, \\from, \\input\n\t"         \
        ".elseif \\weight == -1\n\t"               \
        "subs   \\to, \\from, \\input\n\t"         \
        ".elseif \\weight > 0\n\t"                 \
        "product \\input, \\weight\n\t"            \
        "adds   \\to, \\from, r1\n\t"              \
        ".elseif \\weight < 0\n\t"                 \
        "product \\input, (0 - (\\weight))\n\t"    \
        "subs   \\to, \\from, r1\n\t"              \
        ".endif\n\t"                               \
        ".endm\n\t"                                \
        ".macro start to, first, second\n\t"       \
        ".if \\first == 0\n\t"                     \
        "term   \\to, r7, r3, \\second\n\t"        \
        ".else\n\t"                                \
        "term   \\to, r7, r2, \\first\n\t"         \
        "term   \\to, \\to, r3, \\second\n\t"      \
        ".endif\n\t"                               \
        ".endm\n\t"                                \
        ".macro more to, first, second\n\t"        \
        "term   \\to, \\to, r2, \\first\n\t"       \
        "term   \\to, \\to, r3, \\second\n\t"      \
        ".endm\n\t"                                \
        ".macro keep word, both, second\n\t"       \
        "mov    \\both, \\word\n\t"                \
        "asrs   \\word, \\word, #16\n\t"           \
        "mov    \\second, \\word\n\t"              \
        ".endm\n\t"                                \
        ".macro add_up word, both, second\n\t"     \
        "add    \\both, \\both, \\word\n\t"        \
        "asrs   \\word, \\word, #16\n\t"           \
        "add    \\second, \\second, \\word\n\t"    \
        ".endm\n\t"                                \
        "push   {r4-r7, lr}\n\t" TINYC_HIGH_TO_LOW \
        "push   {r0, r1, r4-r7}\n\t"               \
        "movs   r7, #1\n\t"                        \
        "lsls   r7, r7, #15\n\t")

#define TINYC_IMMEDIATES_LEAVE                            \
    __asm__ volatile("pop    {r0, r1}\n\t" TINYC_POP_HIGH \
                     "pop    {r4-r7, pc}\n\t"             \
                     ".purgem product\n\t"                \
                     ".purgem term\n\t"                   \
                     ".purgem start\n\t"                  \
                     ".purgem more\n\t"                   \
                     ".purgem keep\n\t"                   \
                     ".purgem add_up\n\t")

#define TINYC_WORD_0 "r4"
#define TINYC_WORD_1 "r5"
#define TINYC_WORD_2 "r6"
#define TINYC_KEPT_0 "r8, r9"
#define TINYC_KEPT_1 "r10, r11"
#define TINYC_KEPT_2 "r12, lr"

/* What two inputs bring to a channel by its weights for them: to a word that begins, that goes on,
 * or that begins anew when that of before was taken up, as the first of the channel or another. */
#define TINYC_WEIGHTS_BEGIN(channel, first, second) \
    "start " TINYC_WORD_##channel ", " #first ", " #second "\n\t"
#define TINYC_WEIGHTS_MORE(channel, first, second) \
    "more " TINYC_WORD_##channel ", " #first ", " #second "\n\t"
#define TINYC_WEIGHTS_KEEP(channel, first, second) \
    TINYC_LAST_KEEP(channel) TINYC_WEIGHTS_BEGIN(channel, first, second)
#define TINYC_WEIGHTS_ADD(channel, first, second) \
    TINYC_LAST_ADD(channel) TINYC_WEIGHTS_BEGIN(channel, first, second)

/* Take up a channel's last word, which is its first, another, or one without any weight. */
#define TINYC_LAST_KEEP(channel)  "keep " TINYC_WORD_##channel ", " TINYC_KEPT_##channel "\n\t"
#define TINYC_LAST_ADD(channel)   "add_up " TINYC_WORD_##channel ", " TINYC_KEPT_##channel "\n\t"
#define TINYC_LAST_EMPTY(channel) "mov " TINYC_WORD_##channel ", r7\n\t" TINYC_LAST_KEEP(channel)

/* The inputs from the first on, for the channels that follow; pass `count` of them. */
#define TINYC_COLUMNS     __asm__ volatile("ldr r0, [sp]\n\t")
#define TINYC_SKIP(count) __asm__ volatile("adds r0, r0, #4*" #count "\n\t")

#define TINYC_DO_INPUTS(what) __asm__ volatile("ldm r0!, {r2, r3}\n\t" what)
#define TINYC_DO_SUMS(channels, what) \
    __asm__ volatile(what "ldr r1, [sp, #4]\n\t" TINYC_STORE_##channels "str r1, [sp, #4]\n\t")

#define TINYC_STORE_1   \
    "mov    r2, r8\n\t" \
    "mov    r3, r9\n\t" \
    "stm    r1!, {r2, r3}\n\t"
#define TINYC_STORE_2    \
    "mov    r2, r8\n\t"  \
    "mov    r3, r9\n\t"  \
    "mov    r4, r10\n\t" \
    "mov    r5, r11\n\t" \
    "stm    r1!, {r2-r5}\n\t"
#define TINYC_STORE_3    \
    TINYC_STORE_2        \
    "mov    r2, r12\n\t" \
    "mov    r3, lr\n\t"  \
    "stm    r1!, {r2, r3}\n\t"

/* The outputs of two pixels, of so many channels.
 *
 * r1 to r4: the pieces of a channel's multiplier; r7: the channels; r8: sums; r9: the second
 * pixel's sum; r10, r11: outputs; r12: half; lr: the shift. On the stack: the sums' end. */
#define TINYC_DEFINE_SCALE_SUMS(name, bits, times, away)                                    \
    __attribute__((naked, noinline, unused)) static void name(                              \
        __attribute__((unused)) const uint32_t *sums, __attribute__((unused)) int8_t *out0, \
        __attribute__((unused)) int8_t *out1,                                               \
        __attribute__((unused)) const struct tinyc_immediate_channel *channels,             \
        __attribute__((unused)) const uint32_t *end)                                        \
    {                                                                                       \
        __asm__ volatile(                                                                   \
            ".syntax unified\n\t"                                                           \
            ".macro store out\n\t" times                                                    \
            "add    r5, r5, r12\n\t"                                                        \
            "mov    r6, lr\n\t"                                                             \
            "asrs   r5, r5, r6\n\t"                                                         \
            "sxtb   r6, r5\n\t"                                                             \
            "cmp    r6, r5\n\t"                                                             \
            "beq    2f\n\t"                                                                 \
            "asrs   r5, r5, #31\n\t"                                                        \
            "movs   r6, #127\n\t"                                                           \
            "eors   r5, r5, r6\n\t"                                                         \
            "2:\n"                                                                          \
            "mov    r0, \\out\n\t"                                                          \
            "strb   r5, [r0]\n\t"                                                           \
            "adds   r0, r0, #1\n\t"                                                         \
            "mov    \\out, r0\n\t"                                                          \
            ".endm\n\t"                                                                     \
            "push   {r4-r7, lr}\n\t" TINYC_HIGH_TO_LOW                                      \
            "push   {r4-r7}\n\t"                                                            \
            "mov    r8, r0\n\t"                                                             \
            "mov    r10, r1\n\t"                                                            \
            "mov    r11, r2\n\t"                                                            \
            "movs   r7, r3\n"                                                               \
            "1:\n\t"                                                                        \
            "ldm    r7!, {r1-r6}\n\t"                                                       \
            "mov    r12, r5\n\t"                                                            \
            "mov    lr, r6\n\t"                                                             \
            "mov    r6, r8\n\t"                                                             \
            "ldm    r6!, {r0, r5}\n\t"                                                      \
            "mov    r8, r6\n\t"                                                             \
            "lsls   r6, r5, #16\n\t"                                                        \
            "subs   r0, r0, r6\n\t"                                                         \
            "ldm    r7!, {r6}\n\t" /* biases */                                             \
            "adds   r0, r0, r6\n\t"                                                         \
            "ldm    r7!, {r6}\n\t"                                                          \
            "adds   r5, r5, r6\n\t"                                                         \
            "mov    r9, r5\n\t"                                                             \
            "store  r10\n\t"                                                                \
            "mov    r0, r9\n\t"                                                             \
            "store  r11\n\t"                                                                \
            "ldr    r0, [sp, #36]\n\t" /* end */                                            \
            "cmp    r8, r0\n\t"                                                             \
            "bne    1b\n\t" TINYC_POP_HIGH                                                  \
            "pop    {r4-r7, pc}\n\t"                                                        \
            ".purgem store\n\t");                                                           \
    }

#else

#define TINYC_IMMEDIATES(name) \
    static TINYC_SHARED void name(const uint32_t *columns, uint32_t *sums)
#define TINYC_IMMEDIATES_ENTER           \
    uint32_t words[3] = {0, 0, 0};       \
    uint32_t taken_up[3] = {0, 0, 0};    \
    uint32_t second_sums[3] = {0, 0, 0}; \
    const uint32_t *x
#define TINYC_IMMEDIATES_LEAVE (void)x
#define TINYC_WEIGHTS_BEGIN(channel, first, second) \
    words[channel] = 0x8000U;                       \
    TINYC_WEIGHTS_MORE(channel, first, second)
#define TINYC_WEIGHTS_MORE(channel, first, second) \
    words[channel] += (uint32_t)(first) * x[0] + (uint32_t)(second) * x[1];
#define TINYC_WEIGHTS_KEEP(channel, first, second) \
    TINYC_LAST_KEEP(channel) TINYC_WEIGHTS_BEGIN(channel, first, second)
#define TINYC_WEIGHTS_ADD(channel, first, second) \
    TINYC_LAST_ADD(channel) TINYC_WEIGHTS_BEGIN(channel, first, second)
#define TINYC_LAST_KEEP(channel) \
    taken_up[channel] = 0;       \
    second_sums[channel] = 0;    \
    TINYC_LAST_ADD(channel)
#define TINYC_LAST_ADD(channel)          \
    taken_up[channel] += words[channel]; \
    second_sums[channel] += (uint32_t)((int32_t)words[channel] >> 16);
#define TINYC_LAST_EMPTY(channel) \
    words[channel] = 0x8000U;     \
    TINYC_LAST_KEEP(channel)
#define TINYC_COLUMNS     x = columns
#define TINYC_SKIP(count) x += (count)
#define TINYC_DO_INPUTS(what) \
    do {                      \
        what x += 2;          \
    } while (0)
#define TINYC_DO_SUMS(channels, what)               \
    do {                                            \
        what for (int32_t i = 0; i < channels; i++) \
        {                                           \
            *sums++ = taken_up[i];                  \
            *sums++ = second_sums[i];               \
        }                                           \
    } while (0)

TINYC_INLINE int8_t tinyc_scale_sum(uint32_t sum, const struct tinyc_immediate_channel *channel,
                                    int32_t bits, int32_t away)
{
    const int32_t x = (int32_t)sum;
    const int32_t pieces = 32 / bits;
    int32_t y = 0;

    for (int32_t i = 0; i < pieces - 1; i++) {
        y = (y + x * channel->multiplier[i]) >> bits;
    }
    y += x * channel->multiplier[pieces - 1];
    y -= x < 0 ? away << (30 - (pieces - 1) * bits) : 0;
    return (int8_t)tinyc_clamp((y + channel->half) >> channel->shift, INT8_MIN, INT8_MAX);
}

#define TINYC_DEFINE_SCALE_SUMS(name, bits, times, away)                                      \
    static TINYC_SHARED void name(const uint32_t *sums, int8_t *out0, int8_t *out1,           \
                                  const struct tinyc_immediate_channel *channels,             \
                                  const uint32_t *end)                                        \
    {                                                                                         \
        for (; sums != end; sums += 2, channels++) {                                          \
            const uint32_t first = sums[0] - (sums[1] << 16) + (uint32_t)channels->biases[0]; \
            const uint32_t second = sums[1] + (uint32_t)channels->biases[1];                  \
            *out0++ = tinyc_scale_sum(first, channels, bits, away);                           \
            *out1++ = tinyc_scale_sum(second, channels, bits, away);                          \
        }                                                                                     \
    }

#endif

/* The next two inputs of so many channels: of each, how its word goes on, and its weights. */
#define TINYC_INPUTS_1(word0, a0, b0) TINYC_DO_INPUTS(TINYC_WEIGHTS_##word0(0, a0, b0))
#define TINYC_INPUTS_2(word0, a0, b0, word1, a1, b1) \
    TINYC_DO_INPUTS(TINYC_WEIGHTS_##word0(0, a0, b0) TINYC_WEIGHTS_##word1(1, a1, b1))
#define TINYC_INPUTS_3(word0, a0, b0, word1, a1, b1, word2, a2, b2)                   \
    TINYC_DO_INPUTS(TINYC_WEIGHTS_##word0(0, a0, b0) TINYC_WEIGHTS_##word1(1, a1, b1) \
                        TINYC_WEIGHTS_##word2(2, a2, b2))

/* Store what the words of each channel come to, and their upper halves, which are s1. */
#define TINYC_SUMS_1(word0)        TINYC_DO_SUMS(1, TINYC_LAST_##word0(0))
#define TINYC_SUMS_2(word0, word1) TINYC_DO_SUMS(2, TINYC_LAST_##word0(0) TINYC_LAST_##word1(1))
#define TINYC_SUMS_3(word0, word1, word2) \
    TINYC_DO_SUMS(3, TINYC_LAST_##word0(0) TINYC_LAST_##word1(1) TINYC_LAST_##word2(2))

/* bits: of a piece of the multiplier; away: whether halves of negative sums are rounded away from
 * zero. */
TINYC_DEFINE_SCALE_SUMS(tinyc_scale_sums_8, 8, TINYC_TIMES_8(TINYC_UP), 0)
TINYC_DEFINE_SCALE_SUMS(tinyc_scale_sums_8_away, 8, TINYC_TIMES_8(TINYC_AWAY), 1)
TINYC_DEFINE_SCALE_SUMS(tinyc_scale_sums_10, 10, TINYC_TIMES_10(TINYC_UP), 0)
TINYC_DEFINE_SCALE_SUMS(tinyc_scale_sums_10_away, 10, TINYC_TIMES_10(TINYC_AWAY), 1)

typedef void tinyc_scale(const uint32_t *sums, int8_t *out0, int8_t *out1,
                         const struct tinyc_immediate_channel *channels, const uint32_t *end);

/* scratch: the words of two windows, their sums, then a pixel of padding. */
static TINYC_SHARED void tinyc_conv2d_immediates(const int8_t *in, int8_t *out, uint8_t *scratch,
                                                 tinyc_immediates *products, tinyc_scale *scale,
                                                 const int32_t *table, const struct tinyc_window *w,
                                                 int32_t input_zero)
{
    const struct tinyc_immediate_channel *const channels =
        (const struct tinyc_immediate_channel *)(const void *)table;
    const int32_t depth = w->kernel.h * w->kernel.w * w->in.c;
    uint32_t *const columns = (uint32_t *)(void *)scratch;
    uint32_t *const sums = columns + depth + depth % 2;
    uint32_t *const end = sums + 2 * w->out.c;
    int8_t *const padding = (int8_t *)end;

    if (tinyc_is_padded(w)) {
        memset(padding, input_zero, (size_t)w->in.c);
    }
    for (int32_t n = 0; n < w->in.n; n++, in += w->in.h * w->in.w * w->in.c) {
        struct tinyc_pixel_pair pair = tinyc_first_pair(out, w);
        while (tinyc_next_pair(&pair, columns, in, w, padding)) {
            products(columns, sums);
            scale(sums, pair.first, pair.second, channels, end);
        }
        out = pair.end;
    }
}

#endif
